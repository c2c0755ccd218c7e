"""`--trace` and `--html`: what happens while texts are filled in, kept in files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import typer

from rnd1lib.disk import replace_text
from rnd1lib.errors import Rnd1Error
from rnd1lib.views import Trace, TraceWriter
from rnd1lib.views.page import Page


class Recording(NamedTuple):
    """watches: observers made for a model. keep: is given every trace in order, where it is wanted."""

    watches: list[Callable[[Any], AbstractContextManager[Any]]]
    keep: Callable[[Trace], None] | None


@contextmanager
def recording(
    trace: Path | None, html: Path | None, *, prompts: Path | None = None, rank: int = 0, ranks: int = 1
) -> Iterator[Recording]:
    """Within it texts are recorded: the trace as they come (one process alone: step by step), the page at the end, whatever
    that is.

    Where no text was begun, what was in the files stays. Rnd1Error: a file that cannot be written; a folder that does not
    exist is told of at once, and so is one file for two things, `prompts` (which is only read) among them.
    """
    for path in filter(None, (trace, html)):
        if path.is_dir() or not path.parent.is_dir():
            raise Rnd1Error(f"{path}: cannot be written: it is a folder, or the folder that it is to lie in does not exist.")
        refuse_same(path, prompts, "file of the prompts")
    refuse_same(html, trace, "trace")
    with TraceWriter(trace) if trace is not None else nullcontext() as writer:
        made = None if html is None else Page()
        gathered = [] if writer is None or ranks == 1 else [writer.keep]
        keepers = gathered + ([] if made is None else [made.add])
        try:
            yield Recording(
                [] if writer is None or gathered else [lambda model: nullcontext(writer)],
                partial(_each, keepers) if keepers else None,
            )
        finally:
            if made is not None and html is not None and rank == 0:
                write_page(html, made)


def _each(keepers: Sequence[Callable[[Trace], None]], trace: Trace) -> None:
    for keep in keepers:
        keep(trace)


def write_page(path: Path, made: Page) -> None:
    """Writes a page on which there is something, and says on stderr if that is not all. Rnd1Error: it cannot be written."""
    if made.texts:
        write(path, str(made))
    if made.shortened:
        typer.echo(f"{path}: {made.shortened}", err=True)


def refuse_same(path: Path | None, other: Path | None, what: str) -> None:
    """Rnd1Error: what is written to `path` would take the place of `other`, the `what`."""
    if path is not None and other is not None and path.resolve() == other.resolve():
        raise Rnd1Error(f"{path}: is the {what}; --trace and --html need files of their own.")


def write(path: Path, text: str) -> None:
    """Writes a file whole or not at all, where a link leads; into a device or a pipe. Rnd1Error: it cannot be written."""
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")  # a new file in its place would be the end of the device
        else:
            replace_text(path.resolve(), text)
    except OSError as error:
        raise Rnd1Error(f"{path}: cannot be written: {error.strerror or error}.") from error
