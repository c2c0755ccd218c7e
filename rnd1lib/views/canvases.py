"""The canvases of a trace at one of its steps: what stands where, since when, and how sure the model was of it."""

from __future__ import annotations

from typing import NamedTuple

from rnd1lib.views.trace import Header, Line


class Cell(NamedTuple):
    """One place. step: which filled it; None where it was given or is masked. The rest is as in a trace's line."""

    id: int
    step: int | None = None
    probability: float | None = None
    entropy: float | None = None


class Canvases:
    """cells: a list a row, as after the lines taken so far. filled: how many places those lines filled, counted each time."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self.cells = [[Cell(token) for token in given.ids] for given in header.canvases]
        self.filled = 0

    def take(self, line: Line) -> None:
        """Goes on by a step."""
        for row, position in line.masked_again:
            self.cells[row][position] = Cell(self.header.mask_token_id)
        entropies = line.entropy or [None] * len(line.row)
        for row, position, token, probability, entropy in zip(
            line.row, line.position, line.id, line.probability, entropies, strict=True
        ):
            self.cells[row][position] = Cell(token, line.step, probability, entropy)
        self.filled += len(line.row)

    def masked(self, cell: Cell) -> bool:
        """Whether it is still to be filled in."""
        return cell.id == self.header.mask_token_id

    def text(self, row: int) -> list[Cell]:
        """A row's cells, none behind an end-of-text that was filled in."""
        cells = self.cells[row]
        ends = (place for place, cell in enumerate(cells) if cell.step is not None and cell.id in self.header.end_token_ids)
        return cells[: next(ends, len(cells)) + 1]

    def open(self, row: int) -> int:
        """How many places of a row are still to be filled in."""
        return sum(self.masked(cell) for cell in self.text(row))
