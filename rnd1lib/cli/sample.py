"""`rnd1 sample`: texts continued by a model."""

from __future__ import annotations

from typing import Annotated

import typer

import rnd1lib
from rnd1lib.cli.request import Request, answer, with_shared_options


@with_shared_options
def sample(
    request: Request,
    prompts: Annotated[list[str] | None, typer.Argument(metavar="[PROMPT ...]", help="Texts; - is all of stdin.")] = None,
    max_new_tokens: Annotated[int, typer.Option(help="The most tokens that are written for each prompt.")] = 128,
) -> None:
    """Continue texts.

    Without a prompt the text is made from nothing. Under torchrun the prompts are split over the ranks; Ctrl-C gives back
    what is done.

    Example: rnd1 sample runs/demo/scp "def read(self, " --max-new-tokens 48 --option temperature=0.7 --watch
    """
    answer(request, rnd1lib.generate, prompts, max_new_tokens=max_new_tokens)
