"""`rnd1 infill`: gaps in texts filled by a model."""

from __future__ import annotations

from typing import Annotated

import typer

import rnd1lib
from rnd1lib.cli.prompts import canvases
from rnd1lib.cli.request import Request, answer, with_shared_options


@with_shared_options
def infill(
    request: Request,
    texts: Annotated[list[str] | None, typer.Argument(metavar="[TEXT ...]", help="[[8]] is a gap of 8 tokens.")] = None,
) -> None:
    """Fill the gaps of texts, with both sides in view.

    Without a text, what is piped in is one. Under torchrun the texts are split over the ranks; Ctrl-C gives back what is done.

    Example: rnd1 infill runs/demo/scp "for name in [[8]] return name"
    """
    answer(request, rnd1lib.infill, lambda: canvases(texts or [], request.file, ids=request.ids))
