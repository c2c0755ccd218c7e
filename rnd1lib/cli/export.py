"""`rnd1 export`: a run or a model folder in a layout that other programs open."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from rnd1lib.errors import ModelError, Rnd1Error


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run folder, a model folder, a GGUF file or a hub name.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write; it must not exist.")],
    layout: Annotated[str, typer.Option(help="llada, llada_moe, llama, qwen2, qwen3, qwen3_moe or rnd1.")],
    dtype: Annotated[
        str | None, typer.Option(help="Of the written tensors: float32 or bfloat16; by default the one that rounds nothing.")
    ] = None,
    shard_size: Annotated[str, typer.Option(metavar="SIZE", help="The most bytes of tensors in a file.")] = "5GB",
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where in the code a mistake was noticed.")] = False,
) -> None:
    """Write a model for transformers.

    It is read back and compared: the folder appears only after its tensors and logits were found equal to the model's.

    Example: rnd1 export runs/tiny-moe exported --layout qwen3_moe
    """
    write = import_module("rnd1lib.models.export").export_and_compare
    try:
        done = write(run, out, layout=layout, dtype=dtype, shard_size=shard_size)
    except ValueError as error:
        raise error if isinstance(error, Rnd1Error) else ModelError(str(error)) from error
    typer.echo(done.reading, err=True)
    found = done.comparison
    typer.echo(f"{done.path}: written as {layout}, in {done.dtype}.")
    typer.echo(
        f"Read back: every tensor is the same to the bit; of {found.logits} logits the furthest is {found.difference:.1e} off."
    )
    if found.rounding:
        typer.echo(f"Rounding the weights to {done.dtype} moved the logits by up to {found.rounding:.1e}.")
