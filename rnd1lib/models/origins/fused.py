"""Experts that a folder holds in one tensor, as transformers 5 has them in memory, each under its name in other folders."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

FUSED = re.compile(r"(.*\.mlp\.experts)\.(gate_up_proj|down_proj)")
"""[experts, 2 expert widths, width], gate above up; and [experts, width, expert width]."""


class Cut(NamedTuple):
    """The part of a stored tensor that is one expert's matrix: `rows` of them, from `first` on, of row `expert`."""

    stored: str
    expert: int
    first: int
    rows: int

    def within(self, box: Sequence[slice]) -> tuple[int | slice, ...]:
        """Where a part of the matrix lies in what is stored."""
        begin, end, _ = (box[0] if box else slice(None)).indices(self.rows)
        return self.expert, slice(self.first + begin, self.first + end), *box[1:]


def cuts(stored: str, shape: Sequence[int]) -> Iterator[tuple[str, Cut]]:
    """The Hugging Face name of each expert's matrix in a stored tensor, and where it lies; none of any other tensor."""
    match = FUSED.fullmatch(stored)
    if match is None or len(shape) != 3:
        return
    matrices = ("gate_proj", "up_proj") if match[2] == "gate_up_proj" else ("down_proj",)
    rows = shape[1] // len(matrices)
    for expert in range(shape[0]):
        for number, matrix in enumerate(matrices):
            yield f"{match[1]}.{expert}.{matrix}.weight", Cut(stored, expert, number * rows, rows)
