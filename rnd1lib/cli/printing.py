"""What `sample` and `infill` show: answers on stdout; notes, the live view and the progress on stderr."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import typer

from rnd1lib.cli.prompts import Prompt
from rnd1lib.errors import Note, Rnd1Error
from rnd1lib.kinds import Conversation


def show(answers: Iterable[Any], prompts: Sequence[Prompt], *, seed: int, as_json: bool) -> None:
    """Prints answers as they come: the text, or one JSON object a line. Rnd1Error: the disk is full."""
    for answer in answers:
        line = answer.text
        if as_json:
            asked = prompts[answer.number]
            prompt = asked.messages if isinstance(asked, Conversation) else asked
            line = json.dumps({"prompt": prompt, **answer._asdict(), "seed": seed}, ensure_ascii=False)
        with to_stdout():
            typer.echo(line)


@contextmanager
def to_stdout() -> Iterator[None]:
    """Around what prints: a reader that has seen enough, as `head` has, is no error; a full disk is a sentence."""
    try:
        yield
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still to be flushed has no place to go
        if isinstance(error, BrokenPipeError):
            raise typer.Exit from None
        raise Rnd1Error(f"stdout cannot be written: {error.strerror}.") from error


@contextmanager
def notes() -> Iterator[None]:
    """Within it a Note is a line on stderr, of rank 0 alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if os.environ.get("RANK", "0") != "0" else "default", Note)
        other = warnings.showwarning

        def print_note(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
            if issubclass(category, Note):
                typer.echo(f"note: {message}", err=True)
            else:
                other(message, category, *rest, **more)

        warnings.showwarning = print_note
        yield


def terminal_view(model: Any) -> AbstractContextManager[Any]:
    """The live view of `--watch`, on stderr."""
    from rnd1lib.views.terminal import TerminalView

    return TerminalView()


def progress_view(model: Any, *, texts: int) -> AbstractContextManager[Any]:
    """One line on stderr while `texts` texts are filled in."""
    from rnd1lib.views.progress import ProgressView

    return ProgressView(texts, model.mask_token_id)
