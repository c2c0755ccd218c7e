"""`rnd1 recipe`: look at recipes without running them."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import rnd1lib
from rnd1lib.plugins import installed
from rnd1lib.recipe import read_recipe
from rnd1lib.recipe.difference import differences
from rnd1lib.recipe.layers import shipped
from rnd1lib.recipe.problems import spelled

recipe = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Show, check and compare recipes.")

Name = Annotated[str, typer.Argument(metavar="RECIPE", help="A file, or the name of a shipped recipe.")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Values of the recipe.")]


@recipe.command()
def show(
    name: Name,
    overrides: Overrides = None,
    origins: Annotated[bool, typer.Option("--origins", help="Say of each value where it was set.")] = False,
) -> None:
    """Print a recipe with all its layers merged.

    Values of the environment are not shown.

    Example: rnd1 recipe show tiny/dense --origins
    """
    print(read_recipe(name, overrides or ()).to_yaml(origins=origins), end="")


@recipe.command()
def check(
    name: Name,
    overrides: Overrides = None,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where in the code a mistake was noticed.")] = False,
) -> None:
    """Check a recipe and list every problem.

    To the last option, as `rnd1 train` does before it starts.

    Example: rnd1 recipe check tiny/dense train.steps=20
    """
    rnd1lib.load_recipe(name, overrides or ())
    print(f"{name}: ok")


@recipe.command()
def diff(first: Name, second: Name) -> None:
    """Compare two recipes, key by key.

    Example: rnd1 recipe diff tiny/dense tiny/moe
    """
    table = Table("key", escape(first), escape(second), box=None, pad_edge=False)
    for key, one, other in differences(read_recipe(first).written, read_recipe(second).written):
        table.add_row(escape(spelled(key)), escape(str(one)), escape(str(other)))
    if table.row_count:
        Console().print(table)
    else:
        print("The two recipes are the same.")


@recipe.command("list")
def list_recipes() -> None:
    """List the recipes of rnd1lib and its plug-ins.

    Example: rnd1 recipe list
    """
    table = Table("recipe", "about", box=None, pad_edge=False)
    for name, path in shipped(installed()).items():
        if not name.rpartition(":")[2].startswith("base/"):
            table.add_row(escape(name), escape(read_recipe(path).about))
    Console().print(table)
