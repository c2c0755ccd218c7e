"""Documents into rows: framed, split where they are longer than a row, and packed so that hardly a place stays empty.

A window of documents is packed at a time by first-fit decreasing (Johnson 1973): the longest piece first, each into the
first row that still has room for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from rnd1lib.kinds import Batch


class Piece(NamedTuple):
    """A document, or the part of a long one that fills a row: ids (int64) and which of them may be masked (bool), [N] each."""

    ids_N: Tensor
    maskable_N: Tensor


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
    could predict it, so it is not maskable. An end-of-text follows each document under either shift.
    """

    sequence_length: int
    shift: int
    start_token_id: int
    end_token_id: int
    pad_token_id: int

    def __post_init__(self) -> None:
        if self.sequence_length < 2:
            raise ValueError(f"sequence_length: {self.sequence_length} is too short; a row has at least 2 places.")

    def pieces(self, ids: Sequence[int], maskable: Sequence[bool] | None = None) -> list[Piece]:
        """One document as pieces of at most a row, each a document of its own; its end-of-text may be masked."""
        start = [self.start_token_id] if self.shift else []
        ids_N = torch.tensor([*start, *ids, self.end_token_id])
        maskable_N = torch.ones(len(ids_N), dtype=torch.bool)
        if maskable is not None:
            maskable_N[len(start) : -1] = torch.tensor(maskable, dtype=torch.bool)
        if self.shift:
            maskable_N[:: self.sequence_length] = False
        starts = range(0, len(ids_N), self.sequence_length)
        return [Piece(*(part[start : start + self.sequence_length] for part in (ids_N, maskable_N))) for start in starts]

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
