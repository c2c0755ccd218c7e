"""`rnd1 train`: a recipe from start or resume to its end."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

import rnd1lib


def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A file, or the name of a shipped recipe: tiny/dense.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Values of the recipe: train.steps=20 noise=cosine")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Refuse a run folder that already holds a run.")] = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Read checkpoints above 10 GB whole before going on from one; smaller ones always are."),
    ] = False,
    accept_changed_data: Annotated[
        bool, typer.Option("--accept-changed-data", help="Go on although the files of the data have changed.")
    ] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where in the code a mistake was noticed.")] = False,
) -> None:
    """Train a recipe, or go on with its run.

    On a folder that holds a run of this recipe it goes on from the newest checkpoint.

    Example: rnd1 train tiny/dense train.steps=20 run.folder=runs/first
    """
    loaded = rnd1lib.load_recipe(recipe, overrides or ())
    for file in loaded.tree.get("plugins", []):
        print(f"plug-in file: {file}", file=sys.stderr)
    result = rnd1lib.train(loaded, fresh=fresh, verify=verify, accept_changed_data=accept_changed_data)
    if os.environ.get("RANK", "0") == "0":
        print(f"run folder: {result.folder}", file=sys.stderr)
