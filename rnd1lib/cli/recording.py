"""`--trace` and `--html`: what happens while texts are filled in, kept in files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from rnd1lib.disk import replace_text
from rnd1lib.errors import Rnd1Error
from rnd1lib.views import Recorder, TraceWriter
from rnd1lib.views.page import page
from rnd1lib.views.trace_file import to_text


class Recording(NamedTuple):
    """watches: observers made for a model; recorder: keeps the traces of this rank, and on rank 0 in the end of all of them."""

    watches: list[Callable[[Any], AbstractContextManager[Any]]]
    recorder: Recorder | None


@contextmanager
def recording(
    trace: Path | None, html: Path | None, *, prompts: Path | None = None, rank: int = 0, ranks: int = 1
) -> Iterator[Recording]:
    """Within it texts are recorded; the files are there when it ends, however it ends. One process alone writes its trace as
    it goes.

    Where no text was begun, what was in the files stays. Rnd1Error: a file that cannot be written; a folder that does not
    exist is told of at once, and so is one file for two things, `prompts` (which is only read) among them.
    """
    for path in filter(None, (trace, html)):
        if path.is_dir() or not path.parent.is_dir():
            raise Rnd1Error(f"{path}: cannot be written: it is a folder, or the folder that it is to lie in does not exist.")
        refuse_same(path, prompts, "file of the prompts")
    refuse_same(html, trace, "trace")
    gathered = trace is not None and ranks > 1
    recorder = Recorder() if html is not None or gathered else None
    with TraceWriter(trace) if trace is not None and not gathered else nullcontext() as writer:
        try:
            yield Recording([] if writer is None else [lambda model: nullcontext(writer)], recorder)
        finally:
            if recorder is not None and rank == 0:
                if trace is not None and gathered and recorder.traces:
                    write(trace, "".join(map(to_text, recorder.traces)))
                if html is not None and recorder.traces:
                    write(html, page(recorder.traces))


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
