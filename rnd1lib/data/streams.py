"""One stream's rows, in order and without end: windows of documents, packed, and read again from wherever a run stopped.

A stream's state is the place where its current window starts. Reading that window again gives the same rows, so neither
the documents nor the rows of a half-used window have to be saved.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

from rnd1lib.data.faults import Tally
from rnd1lib.data.packing import Packer, Piece, Row
from rnd1lib.errors import DataError

FEWEST_ROWS = 16
MOST_ROWS = 128
FULL = 0.985
"""A window ends as soon as it has some rows and packs to this share: small windows that waste little. Some lengths never
pack so well (documents of just over half a row), so a window ends at `MOST_ROWS` in any case."""


class Read(NamedTuple):
    """One document as pieces, none if it is not kept; the cursor behind it, and itself as a tally."""

    pieces: list[Piece]
    cursor: Any
    tally: Tally


@dataclass(frozen=True)
class Place:
    """Where a window starts: the stream's rows before it, the epoch, its number in the epoch and the cursor before it.

    tally: the documents of the first epoch up to the window's end.
    """

    row: int = 0
    epoch: int = 0
    window: int = 0
    cursor: Any = None
    tally: Tally = field(default_factory=Tally)

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> Place:
        """The place that `asdict` wrote."""
        return cls(**{**saved, "tally": Tally(**saved.get("tally", {}))})


class Window(NamedTuple):
    """Packed rows of some documents in a row, the cursor behind the last of them, and what they count."""

    rows: list[Row]
    cursor: Any
    tally: Tally


def windows(documents: Iterator[Read], packer: Packer) -> Iterator[Window]:
    """Cuts documents into windows and packs each; what a window holds depends on its own documents alone.

    A last window may have no rows, where no document behind the one before is kept.
    """
    pieces: list[Piece] = []
    tokens, cursor, tally = 0, None, Tally()
    for document in documents:
        pieces += document.pieces
        tokens += sum(len(piece.ids_N) for piece in document.pieces)
        cursor, tally = document.cursor, tally + document.tally
        rows = _finished(pieces, tokens, packer) if document.pieces else []
        if rows:
            yield Window(rows, cursor, tally)
            pieces, tokens, tally = [], 0, Tally()
    if tally.seen:
        yield Window(packer.pack(pieces), cursor, tally)


def _finished(pieces: list[Piece], tokens: int, packer: Packer) -> list[Row]:
    """The window's rows if it may end here, else none; packs only where the count of tokens lets it hope."""
    at_least = math.ceil(tokens / packer.sequence_length)
    if at_least < FEWEST_ROWS or (at_least < MOST_ROWS and tokens < FULL * at_least * packer.sequence_length):
        return []
    rows = packer.pack(pieces)
    return rows if at_least >= MOST_ROWS or tokens >= FULL * len(rows) * packer.sequence_length else []


def shuffled(rows: list[Row], name: str) -> list[Row]:
    """Rows in an order that is a function of `name` and their number alone; no state of a generator is to be saved."""
    order = sorted(range(len(rows)), key=lambda number: blake2b(f"{name}/{number}".encode()).digest())
    return [rows[number] for number in order]


class Stream:
    """The rows of one stream by number; they may be asked for forwards only.

    read: opens the stream's documents behind a cursor (None: from the start). name: what the order of the rows inside a
    window is drawn from, beside epoch and window. place: where to go on. DataError: nothing to read there.
    """

    def __init__(self, read: Callable[[Any], Iterator[Read]], packer: Packer, name: str, place: Place | None = None) -> None:
        self._read, self._packer, self._name = read, packer, name
        window = self._open(place.cursor if place else None)
        self._enter(place or Place(tally=window.tally), window)

    @property
    def place(self) -> Place:
        """Where the current window starts: the stream's whole state."""
        return self._place

    def row(self, number: int) -> Row:
        """Row `number` of this stream, counted from 0 over all epochs; rows before it are packed and passed over."""
        if number < self._place.row:
            raise ValueError(f"Row {number} of a stream lies before its window, which starts at row {self._place.row}.")
        while number >= self._place.row + len(self._rows):
            self._advance()
        return self._rows[number - self._place.row]

    def _advance(self) -> None:
        row, place = self._place.row + len(self._rows), self._place
        window = next(self._windows, None)
        if window is None:
            self._enter(Place(row, place.epoch + 1, tally=place.tally), self._open(None))
        else:
            tally = place.tally if place.epoch else place.tally + window.tally
            self._enter(Place(row, place.epoch, place.window + 1, self._end, tally), window)

    def _open(self, cursor: Any) -> Window:
        self._windows = windows(self._read(cursor), self._packer)
        window = next(self._windows, None)
        if window is None or not window.rows:
            where = f"behind {json.dumps(cursor)}, where there were some" if cursor is not None else "in it"
            more = "" if cursor is not None else " With fewer streams (train.streams) each has more."
            raise DataError(f"{self._name}: there are no documents {where}.{more}")
        return window

    def _enter(self, place: Place, window: Window) -> None:
        self._place, self._end = place, window.cursor
        self._rows = shuffled(window.rows, f"{self._name}/{place.epoch}/{place.window}")
