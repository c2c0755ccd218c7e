"""`rnd1 tokenize`: a recipe's documents as token ids on disk."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

import rnd1lib


def tokenize(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A file, or the name of a shipped recipe: tiny/dense.")],
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="A folder that is not there yet.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Values of the recipe: model.tokenizer=FOLDER")
    ] = None,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where in the code a mistake was noticed.")] = False,
) -> None:
    """Encode a recipe's documents once.

    Runs then read them with data: {use: tokens, path: OUT}. The tokenizer lies in OUT too. Ctrl-C leaves nothing behind.

    Example: rnd1 tokenize tiny/dense data/python-docs
    """
    loaded = rnd1lib.load_recipe(recipe, overrides or ())
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("no documents yet")
        tally, tokens = import_module("rnd1lib.titan.tokenization").tokenize_recipe(
            loaded,
            folder,
            lambda tally, tokens: progress.update(task, description=f"{tally.seen:,} documents, {tokens:,} tokens"),
        )
    print(f"{folder}: {tokens:,} tokens of {tally}", file=sys.stderr)
