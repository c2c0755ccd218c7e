"""What the mask token's row starts from, and the rows that a table gains for it. Nothing else writes such rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from rnd1lib.errors import Rnd1Error
from rnd1lib.kinds import TensorSource
from rnd1lib.models.config.tensor_names import HEAD, TABLE
from rnd1lib.models.origins.origin import Box, Origin

ROWS_AT_ONCE = 8192
"""That are read to add them up: with a width of 4096, 128 MiB."""


class FirstRow(NamedTuple):
    """start: the mean of the trained rows, zeros, the row that is there, or that of another token, by its id.

    trained: rows of ids below it are trained, save the mask token's; None: all that are there.
    """

    start: Literal["mean", "zero", "keep"] | int = "keep"
    trained: int | None = None


def first_row(origin: Origin, source: TensorSource, width: int, mask_token_id: int, choice: FirstRow) -> Tensor:
    """The mask token's row [width] of the table `source`, float32; every rank reads it, and it is the same on each."""
    if choice.start == "zero":
        return torch.zeros(width)
    if choice.start == "mean" and not isinstance(origin, Grown):  # whose new row is that already
        return mean_row(origin, source, slice(0, width), mask_token_id, choice.trained)
    token = choice.start if isinstance(choice.start, int) else mask_token_id
    row_1D = torch.empty(1, width)
    origin.fill(row_1D, source, (slice(token, token + 1), slice(0, width)))
    return row_1D[0]


def mean_row(origin: Origin, source: TensorSource, columns: slice, mask_token_id: int | None, trained: int | None) -> Tensor:
    """The mean of the trained rows of a table or head, float32, with some thousands of them in memory at a time.

    As a row w' of a head it is never the best guess: h . w' = mean_v h . w_v <= max_v h . w_v for every hidden state h. And
    by Jensen's inequality exp(h . w') <= mean_v exp(h . w_v), so that its probability is that of an average token at most.
    """
    there = int(origin.config["vocab_size"])
    end = there if trained is None else min(trained, there)
    total_D = torch.zeros(columns.stop - columns.start, dtype=torch.float64)
    for start in range(0, end, ROWS_AT_ONCE):
        rows_RD = torch.empty(min(ROWS_AT_ONCE, end - start), len(total_D))
        origin.fill(rows_RD, source, (slice(start, start + len(rows_RD)), columns))
        total_D += rows_RD.sum(0, dtype=torch.float64)
        if mask_token_id is not None and start <= mask_token_id < start + len(rows_RD):
            total_D -= rows_RD[mask_token_id - start]
    return (total_D / (end - (mask_token_id is not None and mask_token_id < end))).float()


def grown(origin: Origin, rows: int, mask_token_id: int | None, trained: int | None) -> Origin:
    """The origin, with a table and head of so many rows if it has fewer."""
    if rows <= int(origin.config["vocab_size"]):
        return origin
    return Grown(origin.path, origin.config, of=origin, mask_token_id=mask_token_id, trained=trained)


@dataclass(frozen=True)
class Grown(Origin):
    """An origin whose table and head go on behind its own rows: every further one is the mean of the trained ones."""

    of: Origin
    mask_token_id: int | None
    trained: int | None
    means: dict[str, Tensor] = field(default_factory=dict)

    @property
    def types(self) -> list[str]:
        """Its origin's."""
        return self.of.types

    @property
    def own(self) -> int:
        """Rows that are stored."""
        return int(self.config["vocab_size"])

    def check(self, shapes: Mapping[str, tuple[int, ...]], sources: Iterable[TensorSource]) -> None:
        """As its origin does, of the rows that are stored."""
        stored = {name: (self.own, *shapes[name][1:]) for name in (TABLE, HEAD) if name in shapes}
        self.of.check({**shapes, **stored}, sources)

    def fill(self, out: Tensor, source: TensorSource, box: Box) -> None:
        """A box may lie in both parts."""
        if source.parameter not in (TABLE, HEAD):
            self.of.fill(out, source, box)
            return
        rows, columns = box
        stored = max(0, min(rows.stop, self.own) - rows.start)
        if stored:
            self.of.fill(out[:stored], source, (slice(rows.start, rows.start + stored), columns))
        if stored < len(out):
            out[stored:] = self._mean(source, columns)

    def not_finite(self, parameter: str, tensor: str) -> Rnd1Error:
        """Its origin's."""
        return self.of.not_finite(parameter, tensor)

    def _mean(self, source: TensorSource, columns: slice) -> Tensor:
        if source.parameter not in self.means:
            self.means[source.parameter] = mean_row(self.of, source, columns, self.mask_token_id, self.trained)
        return self.means[source.parameter]
