"""Documents into rows: framed, split where they are longer than a row, and packed so that hardly a place stays empty.

A window of documents is packed at a time by first-fit decreasing (Johnson 1973): the longest piece first, each into the
first row that still has room for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from rnd1lib.data.encoding import Tokens
from rnd1lib.errors import DataError
from rnd1lib.kinds import Batch


class Piece(NamedTuple):
    """A document, or the part of a long one that fills a row: ids (int64) and which of them may be masked (bool), [N] each.

    padding: so many of the ids, at the end, are end-of-text tokens that repeat the first one. source: the document's.
    """

    ids_N: Tensor
    maskable_N: Tensor
    padding: int = 0
    source: str | None = None


Row = list[Piece]


def first_fit_decreasing(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Spreads items over as few rows as it can; rows of indices into `lengths`, no row over `room`, no item split."""
    rows: list[list[int]] = []
    # Rows without room leave the list of open ones, or a long document's full rows would be searched for every piece.
    open_rows: list[tuple[int, list[int]]] = []
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        length = lengths[index]
        place = next((place for place, (left, _) in enumerate(open_rows) if left >= length), None)
        left, row = (room, []) if place is None else open_rows.pop(place)
        if place is None:
            rows.append(row)
        row.append(index)
        if left > length:
            open_rows.insert(len(open_rows) if place is None else place, (left - length, row))
    return rows


@dataclass(frozen=True, kw_only=True)
class Packer:
    """How documents become rows (spec: packing under the shift).

    Under shift 1 a start token stands before each document, and the first token of a document or piece has nothing that
    could predict it, so it is not maskable. An end-of-text follows each document under either shift; behind an answer
    more of them may follow, which are learned as its words are (Nie et al. 2025, LLaDA, 2.3).
    """

    sequence_length: int
    shift: int
    start_token_id: int
    end_token_id: int
    pad_token_id: int

    def __post_init__(self) -> None:
        if self.sequence_length < 2:
            raise ValueError(f"sequence_length: {self.sequence_length} is too short; a row has at least 2 places.")

    def pieces(self, tokens: Tokens) -> list[Piece]:
        """One document as pieces of at most a row, each a document of its own; its end-of-text may be masked.

        A start or an end that the document brings itself is not doubled. DataError: it must not be split, and is too long.
        """
        framed = self._framed(tokens)
        if tokens.pad_to is not None:
            return [self._padded(framed, tokens.pad_to)]
        parts = [slice(at, at + self.sequence_length) for at in range(0, len(framed.ids_N), self.sequence_length)]
        return [self._unpredicted(Piece(framed.ids_N[part], framed.maskable_N[part])) for part in parts]

    def _framed(self, tokens: Tokens) -> Tokens:
        ids_N, maskable_N, _ = tokens
        starts = int(self.shift and ids_N[:1].tolist() != [self.start_token_id])
        ends = int(ids_N[-1:].tolist() != [self.end_token_id])
        start_N, end_N = torch.full((starts,), self.start_token_id), torch.full((ends,), self.end_token_id)
        return Tokens(torch.cat([start_N, ids_N, end_N]), torch.cat([start_N < 0, maskable_N, end_N >= 0]))

    def _padded(self, framed: Tokens, pad_to: int | Literal["row"]) -> Piece:
        length, room = len(framed.ids_N), self.sequence_length
        if length > room:
            raise DataError(
                f"prompt and answer have {length} tokens, and a row has {room} places; an answer is not parted from its prompt."
            )
        padding = (room if pad_to == "row" else min(room, math.ceil(length / pad_to) * pad_to)) - length
        ids_N = torch.cat([framed.ids_N, torch.full((padding,), self.end_token_id)])
        maskable_N = torch.cat([framed.maskable_N, torch.ones(padding, dtype=torch.bool)])
        return self._unpredicted(Piece(ids_N, maskable_N, padding))

    def _unpredicted(self, piece: Piece) -> Piece:
        if self.shift:
            piece.maskable_N[0] = False
        return piece

    def pack(self, pieces: Sequence[Piece]) -> list[Row]:
        """A window's pieces in as few rows as first-fit decreasing finds."""
        lengths = [len(piece.ids_N) for piece in pieces]
        return [[pieces[index] for index in row] for row in first_fit_decreasing(lengths, self.sequence_length)]

    def batch(self, rows: Sequence[Row]) -> Batch:
        """Rows as tensors; the empty end of a row is a document of padding, which is not maskable."""
        laid_out = [self._lay_out(row) for row in rows]
        return Batch(*(torch.stack(tensors) for tensors in zip(*laid_out, strict=True)))

    def _lay_out(self, row: Row) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        padding = self.sequence_length - sum(len(piece.ids_N) for piece in row)
        padded = [*row, Piece(torch.full((padding,), self.pad_token_id), torch.zeros(padding, dtype=torch.bool))]
        lengths = torch.tensor([len(piece.ids_N) for piece in padded])
        documents_L = torch.arange(len(padded)).repeat_interleave(lengths)
        starts_L = (lengths.cumsum(0) - lengths).repeat_interleave(lengths)
        return (
            torch.cat([piece.ids_N for piece in padded]),
            torch.cat([piece.maskable_N for piece in padded]),
            documents_L,
            torch.arange(self.sequence_length) - starts_L,
        )
