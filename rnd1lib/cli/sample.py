"""`rnd1 sample`: texts continued by a model, or a conversation answered."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import rnd1lib
from rnd1lib.cli.chat import converse
from rnd1lib.cli.prompts import conversations, read_prompts
from rnd1lib.cli.request import Request, answer, with_shared_options


@with_shared_options
def sample(
    request: Request,
    prompts: Annotated[list[str] | None, typer.Argument(metavar="[PROMPT ...]", help="Texts; - is all of stdin.")] = None,
    max_new_tokens: Annotated[int, typer.Option(help="The most tokens that are written for each prompt.")] = 128,
    chat: Annotated[bool, typer.Option("--chat", help="Prompts are a user's messages; without one: a conversation.")] = False,
    system: Annotated[str | None, typer.Option(help="With --chat: the system's message, in front.")] = None,
) -> None:
    """Continue texts, or answer messages.

    Without a prompt, what is piped in is one; else the text is made from nothing. Under torchrun the prompts are split over
    the ranks; Ctrl-C gives back what is done.

    Example: rnd1 sample runs/demo/scp "def read(self, " --max-new-tokens 48 --option temperature=0.7 --watch
    """
    if chat and not prompts and request.file is None and sys.stdin.isatty():
        converse(request, system, max_new_tokens=max_new_tokens)
    else:
        answer(
            request,
            rnd1lib.generate,
            lambda: conversations(read_prompts(prompts or [], request.file, ids=request.ids), chat=chat, system=system),
            max_new_tokens=max_new_tokens,
        )
