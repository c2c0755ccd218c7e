"""Traces as JSON lines on the disk: a header for each call, then a line a step. What is read may come from anyone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from rnd1lib.errors import DataError, Rnd1Error
from rnd1lib.views.step import Piece, Step
from rnd1lib.views.trace import Header, Line, Lines, Trace
from rnd1lib.views.trace_check import Fault, Follows, header_of, line_of

LARGEST_FILE = 1 << 28


class TraceWriter:
    """An observer that writes a trace file, a line a step, each on its way to the disk before the next is begun.

    To be entered with `with`. So the file is a valid trace whenever a run is interrupted. What was in it is replaced when the
    first call begins. Rnd1Error: it cannot be written.
    """

    details = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def __enter__(self) -> TraceWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._file is not None:
            with suppress(OSError):  # every line is flushed when it is written; a disk that was full has been told of
                self._file.close()

    def begin(self, header: Header, piece: Piece) -> None:
        """Called before the first step."""
        self._lines = Lines(header, piece)
        self._write(header)

    def __call__(self, step: Step) -> None:
        """Called after each step."""
        self._write(self._lines.of(step))

    def keep(self, trace: Trace) -> None:
        """Writes a trace that somebody else has recorded."""
        self._write(trace.header)
        for line in trace.lines:
            self._write(line)

    def _write(self, value: Header | Line) -> None:
        try:
            self._file = self._file or self._path.open("w", encoding="utf-8", errors="replace")
            self._file.write(to_json(value) + "\n")
            self._file.flush()
        except OSError as error:
            raise Rnd1Error(f"{self._path}: the trace cannot be written: {error.strerror or error}.") from error


def to_json(value: Header | Line) -> str:
    """One line of a trace file."""
    plain = value._asdict()
    if isinstance(value, Header):
        plain["canvases"] = [given._asdict() for given in value.canvases]
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def read_traces(path: Path) -> list[Trace]:
    """The traces of a file, each field checked: every view may then rely on them. A last line cut off midway is left out.

    DataError with file and line: what is no trace, of another version, or contradicts itself.
    """
    traces: list[Trace] = []
    follows: Follows | None = None
    for where, fields in _objects(path):
        try:
            if "step" not in fields:
                traces.append(Trace(header_of(fields), []))
                follows = Follows(traces[-1].header)
            elif follows is None:
                raise Fault("a step comes before any header")
            else:
                line = line_of(fields)
                follows.check(line)
                traces[-1].lines.append(line)
        except Fault as fault:
            raise DataError(f"{where}: {fault}.") from None
    if not traces:
        raise DataError(f"{path}: there is no trace in it.")
    return traces


def _objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each line's object, and the line's place."""
    try:
        with path.open("rb") as file:
            if path.stat().st_size > LARGEST_FILE:
                raise DataError(f"{path}: more than {LARGEST_FILE >> 20} MB, so it is not read as a trace.")
            for number, line in enumerate(file, 1):
                try:
                    if line.strip():
                        yield f"{path}:{number}", _object(line)
                except Fault as fault:
                    if line.endswith(b"\n"):
                        raise DataError(f"{path}:{number}: {fault}.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}.") from None


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line.decode(), parse_constant=_not_a_number)
    except (ValueError, RecursionError) as error:
        raise Fault(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Fault("no JSON object")
    return value


def _not_a_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")
