"""Autoregressive language models into masked diffusion language models: convert, train, sample.

The public API is a table, resolved on use, so that `import rnd1lib` imports no torch. Each package's docstring is a map of it.

Names, recipes, commands, without torch:

api          `components` and `build`: what the registry offers in Python
registry     kind -> name -> component, filled once, then frozen
plugins      the hooks, and where components come from
recipe/      layers -> merge -> check -> Recipe
cli/         `rnd1 ...`, one file a command
errors       every mistake that a person can make
disk         files that are on the disk when a call returns

The contracts:

kinds/       a file a kind, with the values that they exchange

Tensors, each reading what stands below it:

titan/       the training engine on torchtitan
sampling/    one loop for every sampler
views/       what a person looks at: terminal, page, notebook
models/      the network, and folders in and out
data/        documents to packed rows
diffusion/   the mathematics
testing/     the conformance kit of every kind
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnd1lib.api import build, components
    from rnd1lib.diffusion.likelihood import log_likelihood
    from rnd1lib.models.denoiser import DiffusionLM
    from rnd1lib.models.export import export
    from rnd1lib.models.loading import load_model
    from rnd1lib.plugins import add_plugins, hookimpl
    from rnd1lib.recipe import load_recipe
    from rnd1lib.sampling.generation import Generation, generate, infill
    from rnd1lib.titan.runner import train

_HOMES = {
    "DiffusionLM": "rnd1lib.models.denoiser",
    "Generation": "rnd1lib.sampling.generation",
    "add_plugins": "rnd1lib.plugins",
    "build": "rnd1lib.api",
    "components": "rnd1lib.api",
    "export": "rnd1lib.models.export",
    "generate": "rnd1lib.sampling.generation",
    "hookimpl": "rnd1lib.plugins",
    "infill": "rnd1lib.sampling.generation",
    "load_model": "rnd1lib.models.loading",
    "load_recipe": "rnd1lib.recipe",
    "log_likelihood": "rnd1lib.diffusion.likelihood",
    "train": "rnd1lib.titan.runner",
}

__all__ = [
    "DiffusionLM",
    "Generation",
    "add_plugins",
    "build",
    "components",
    "export",
    "generate",
    "hookimpl",
    "infill",
    "load_model",
    "load_recipe",
    "log_likelihood",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rnd1lib' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
