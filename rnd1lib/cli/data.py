"""`rnd1 data`: look at a recipe's data without training on them."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer
from rich.console import Console

import rnd1lib

data = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at a recipe's data.")


@data.callback()
def group() -> None:
    """Look at a recipe's data."""


@data.command()
def show(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A file, or the name of a shipped recipe: tiny/dense.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Values of the recipe.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="How many rows of the first step.")] = 3,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where in the code a mistake was noticed.")] = False,
) -> None:
    """Print packed rows as the first step sees them.

    Documents, what is masked, which logit rows are scored with what weight, and how well and how fast the rows are packed.
    Nothing is written.

    Example: rnd1 data show tiny/dense --rows 1 train.sequence_length=128
    """
    loaded = rnd1lib.load_recipe(recipe, overrides or ())
    first = import_module("rnd1lib.titan.first_rows").first_rows(loaded, rows)
    console = Console(highlight=False)
    import_module("rnd1lib.views.rows").print_rows(first.shown, console)
    console.print()
    for line in first.totals():
        console.print(line, markup=False, soft_wrap=True)
