"""Is this a trace? Each field of a line is checked against what it must be, and each step against the canvases before it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from rnd1lib.views.canvases import Canvases, Cell
from rnd1lib.views.trace import VERSION, Given, Header, Line

T = TypeVar("T")
LARGEST_ID = 1 << 31
LONGEST_PIECE = 1 << 12
MOST_BEST = 64


class Fault(Exception):
    """What is wrong with a line, as the rest of a sentence that begins with its place."""


def header_of(fields: Mapping[str, Any]) -> Header:
    """A header line. Fault: a field is missing, unknown or not what it must be."""
    version = fields.get("version")
    if type(version) is int and version > VERSION:
        raise Fault(
            f"a trace of version {str(version)[:20]}, written by a newer rnd1lib; this one reads version {VERSION}: update it"
        )
    if version != VERSION:
        raise Fault(f"neither a step nor the header of a trace of version {VERSION}; its version is {str(version)[:20]}")
    return Header(**_fields(fields, HEADER))


def line_of(fields: Mapping[str, Any]) -> Line:
    """A step. Fault: a field is missing, unknown or not what it must be."""
    line = Line(**_fields(fields, LINE))
    for name in ("position", "id", "probability"):
        if len(getattr(line, name)) != len(line.row):
            raise Fault(f"{name}: {len(getattr(line, name))} values for the {len(line.row)} of row")
    for name in ("entropy", "top"):
        if len(getattr(line, name)) not in (0, len(line.row)):
            raise Fault(
                f"{name}: {len(getattr(line, name))} values for the {len(line.row)} of row, where none or as many are expected"
            )
    return line


class Follows:
    """Checks that each line of a trace can follow on those before it, and that the text of every id has been told."""

    def __init__(self, header: Header) -> None:
        self._canvases = Canvases(header)
        self._known = set(header.pieces)
        self._step = -1
        self._expect({token for given in header.canvases for token in given.ids})

    def check(self, line: Line) -> None:
        """Goes on by a step. Fault: it cannot follow."""
        if line.step <= self._step:
            raise Fault(f"step: {line.step} comes behind step {self._step}")
        again, places = set(line.masked_again), set(zip(line.row, line.position, strict=True))
        if len(again) < len(line.masked_again) or len(places) < len(line.row):
            raise Fault("one place is named twice")
        for row, position in line.masked_again:
            if self._masked("masked_again", row, position):
                raise Fault(f"masked_again: row {row}, position {position} is masked already")
        for row, position, token in zip(line.row, line.position, line.id, strict=True):
            if not self._masked("position", row, position) and (row, position) not in again:
                raise Fault(f"position: row {row}, position {position} is not masked, so nothing can be filled in")
            if self._canvases.masked(Cell(token)):
                raise Fault(f"id: row {row}, position {position} is filled with the mask token")
        self._step = line.step
        self._known |= set(line.pieces)
        self._expect({*line.id, *(token for best in line.top for token, _ in best)})
        self._canvases.take(line)

    def _masked(self, name: str, row: int, position: int) -> bool:
        cells = self._canvases.cells
        if row >= len(cells) or position >= len(cells[row]):
            raise Fault(f"{name}: row {row}, position {position} is outside the canvases")
        return self._canvases.masked(cells[row][position])

    def _expect(self, tokens: set[int]) -> None:
        unknown = sorted(tokens - self._known)
        if unknown:
            raise Fault(f"pieces: there is no text of id {unknown[0]}")


def _fields(fields: Mapping[str, Any], wanted: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    missing = [name for name in wanted if name not in fields]
    unknown = [name for name in fields if name not in wanted]
    if missing or unknown:
        raise Fault(f"{missing[0]} is missing" if missing else f"{unknown[0][:40]!r} is no field of a trace")
    checked = {}
    for name, check in wanted.items():
        try:
            checked[name] = check(fields[name])
        except Fault as fault:
            raise Fault(f"{name}: {fault}") from None
    return checked


def _number(value: Any, low: float, high: float, *, whole: bool) -> Any:
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not low <= value <= high:
        kind = "an integer" if whole else "a number"
        upper = "" if high == math.inf else f" to {high}"
        raise Fault(f"{str(value)[:40]!r} is not {kind} of {low}{upper}")
    return value


def whole(high: float = LARGEST_ID) -> Callable[[Any], int]:
    """An integer from 0 to `high`."""
    return lambda value: int(_number(value, 0, high, whole=True))


def number(high: float = math.inf) -> Callable[[Any], float]:
    """A finite number from 0 to `high`."""
    return lambda value: float(_number(value, 0, min(high, 1e308), whole=False))


def text(value: Any) -> str:
    """A text that can be written again."""
    if not isinstance(value, str) or len(value) > LONGEST_PIECE:
        raise Fault(f"{str(value)[:40]!r} is not a text of at most {LONGEST_PIECE} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Fault("half a surrogate pair is no text") from None
    return value


def truth(value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise Fault(f"{str(value)[:40]!r} is neither true nor false")
    return value


def maybe(check: Callable[[Any], T]) -> Callable[[Any], T | None]:
    """null, or what `check` allows."""
    return lambda value: None if value is None else check(value)


def several(check: Callable[[Any], T], most: int | None = None) -> Callable[[Any], list[T]]:
    """A list of what `check` allows."""

    def checked(value: Any) -> list[T]:
        if not isinstance(value, list) or (most is not None and len(value) > most):
            raise Fault(f"{str(value)[:40]!r} is not a list" + ("" if most is None else f" of at most {most}"))
        return [check(each) for each in value]

    return checked


def pair(first: Callable[[Any], Any], second: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, Any]]:
    """A list of two."""

    def checked(value: Any) -> tuple[Any, Any]:
        if not isinstance(value, list) or len(value) != 2:
            raise Fault(f"{str(value)[:40]!r} is not a list of two")
        return first(value[0]), second(value[1])

    return checked


def given(value: Any) -> Given:
    """A canvas at the start."""
    if not isinstance(value, dict) or set(value) != {"number", "ids"}:
        raise Fault(f"{str(value)[:40]!r} is not an object of number and ids")
    return Given(whole()(value["number"]), several(whole())(value["ids"]))


def pieces(value: Any) -> dict[int, str]:
    """Texts by id; in JSON a key is a text."""
    if not isinstance(value, dict):
        raise Fault(f"{str(value)[:40]!r} is not an object")
    wrong = next((key for key in value if not (key.isascii() and key.isdigit() and len(key) <= 10)), None)
    if wrong is not None:
        raise Fault(f"{wrong[:40]!r} is not an id")
    return {whole()(int(key)): text(each) for key, each in value.items()}


def options(value: Any) -> dict[str, Any]:
    """The sampler's options: a flat object."""
    if not isinstance(value, dict) or any(isinstance(each, dict | list) for each in value.values()):
        raise Fault(f"{str(value)[:40]!r} is not an object of plain values")
    return {text(name): text(each) if isinstance(each, str) else each for name, each in value.items()}


HEADER: dict[str, Callable[[Any], Any]] = {
    "version": whole(),
    "model": text,
    "tokenizer": maybe(text),
    "vocabulary": maybe(text),
    "sampler": text,
    "options": options,
    "seed": whole(math.inf),
    "guidance": number(),
    "cache": maybe(text),
    "exact": truth,
    "shift": whole(1),
    "mask_token_id": whole(),
    "end_token_ids": several(whole()),
    "canvases": several(given),
    "pieces": pieces,
}
LINE: dict[str, Callable[[Any], Any]] = {
    "step": whole(),
    "row": several(whole()),
    "position": several(whole()),
    "id": several(whole()),
    "probability": several(maybe(number(1))),
    "entropy": several(maybe(number())),
    "top": several(several(pair(whole(), number(1)), MOST_BEST)),
    "masked_again": several(pair(whole(), whole())),
    "pieces": pieces,
}
