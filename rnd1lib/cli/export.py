"""`rnd1 export`: a run or a model folder in a layout that other programs open."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run folder, a model folder or a hub name.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write; it must not exist.")],
    layout: Annotated[str, typer.Option(help="llada, llada_moe, llama, qwen2, qwen3, qwen3_moe or rnd1.")],
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where in the code a mistake was noticed.")] = False,
) -> None:
    """Write a model for transformers.

    It is read back and compared: the folder appears only after its logits were found equal to the model's.

    Example: rnd1 export runs/tiny-moe exported --layout qwen3_moe
    """
    done = import_module("rnd1lib.models.export").export_and_compare(run, out, layout=layout)
    typer.echo(f"{done.path}: written as {layout}.")
    typer.echo(f"Read back: {done.compared} logits compared, largest difference {done.largest_difference:.1e}.")
