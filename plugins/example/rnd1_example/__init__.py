"""A package of components: what it registers, and where its recipes lie. Importing it imports no torch."""

from pathlib import Path
from typing import Any

from rnd1lib import hookimpl


@hookimpl
def rnd1_register(register: Any) -> None:
    """The components, by the name that a recipe uses."""
    register.noise("exponential", "rnd1_example.noise:Exponential")
    register.sampler("falling_floor", "rnd1_example.sampler:FallingFloor")


@hookimpl
def rnd1_recipe_dirs() -> list[Path]:
    """Where `example:tiny` is looked for."""
    return [Path(__file__).parent / "recipes"]
