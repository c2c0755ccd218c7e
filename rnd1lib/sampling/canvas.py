"""The canvases of a batch while they are filled in: which rows are open, and where in its blocks each of them stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from rnd1lib.diffusion.prediction import left_align
from rnd1lib.errors import SamplingError
from rnd1lib.kinds import Denoiser, Sampler

NONE = 1 << 62  # no block has this number


class Clock(NamedTuple):
    """Where a row stands: at which step of how many its block takes."""

    step: int
    steps: int


Clocks = dict[Clock, list[int]]
"""The open rows of a canvas by their clocks. Mostly there is one."""


class Canvas:
    """Rows of unequal length, left-aligned; each walks through its own blocks, so none waits for another.

    ids_BL: int64, changed in place. gaps_BL: bool, masked at the start. origins: where each row's first block begins; on a
    model with blocks, and a sampler without any or with the same, the model's block that holds that position is the first.
    block_of_BL: the number of a position's block. block_B: the block in which a row stands, the one that holds its first
    mask, so that a block ends when it is full; -1 before the first. current_BL: bool, its gaps. masked_BL: bool, what is left
    of them in the rows that are open, open_B.
    """

    def __init__(
        self,
        model: Denoiser,
        rows: Sequence[Sequence[int]],
        origins: Sequence[int],
        sampler: Sampler,
        *,
        end_token_id: int | None = None,
    ) -> None:
        self.model, self.end_token_id = model, end_token_id
        self.ids_BL, self.lengths_B = left_align(rows, model)
        self.gaps_BL = self.ids_BL == model.mask_token_id
        device = self.ids_BL.device
        self.places_L = torch.arange(self.ids_BL.shape[1], device=device)
        origins_B = torch.tensor(list(origins), dtype=torch.int64, device=device)
        of_model = getattr(model, "block_length", None) or 1
        length = sampler.block_length or (of_model if of_model > 1 else max(self.ids_BL.shape[1], 1))
        if length == of_model:
            origins_B = origins_B // length * length
        self.block_of_BL = (self.places_L - origins_B[:, None]).div(length, rounding_mode="floor")
        self._blocks_B = (-(-(self.lengths_B - origins_B) // length)).clamp(min=1)
        self._steps = sampler.steps
        self._check_steps(f"{length} (the model's)" if length == of_model > 1 else f"{length}")
        self._each_B, self._more_B = (self._steps or 0) // self._blocks_B, (self._steps or 0) % self._blocks_B
        self.block_B = torch.full_like(self.lengths_B, -1)
        self.step_B = torch.zeros_like(self.lengths_B)
        self.masked_at_start_B = torch.zeros_like(self.lengths_B)
        self.open_B = torch.zeros_like(self.lengths_B, dtype=torch.bool)
        self.current_BL = self.masked_BL = torch.zeros_like(self.gaps_BL)

    def _check_steps(self, length: str) -> None:
        if self._steps is not None and bool((self._blocks_B > self._steps).any()):
            blocks = f"{int(self._blocks_B.max())} blocks of {length}"
            raise SamplingError(f"steps: {self._steps} are too few for {blocks}: each block needs a step.")

    @property
    def steps_B(self) -> Tensor:
        """[B] steps of each row's block: an even split of all steps, or one for each token."""
        return self.masked_at_start_B if self._steps is None else self._each_B + (self.block_B < self._more_B)

    def settle(self) -> Clocks:
        """Closes rows that are done, moves rows whose block is full to their next one; the open rows by their clocks.

        A row is done when nothing is masked before its end-of-text; until then what lies behind it is filled in too.
        """
        if not self.masked_BL.numel():
            return {}
        masked_BL = (self.ids_BL == self.model.mask_token_id) & self.gaps_BL
        self.open_B = (masked_BL & (self.places_L < self._ends()[:, None])).any(1)
        block_B = torch.where(masked_BL, self.block_of_BL, NONE).amin(1)
        entering_B = self.open_B & (block_B != self.block_B)
        self.block_B = torch.where(entering_B, block_B, self.block_B)
        self.current_BL = self.gaps_BL & (self.block_of_BL == self.block_B[:, None])
        self.masked_BL = masked_BL & self.current_BL & self.open_B[:, None]
        self.step_B = torch.where(entering_B, 0, self.step_B)
        self.masked_at_start_B = torch.where(entering_B, self.masked_BL.sum(1), self.masked_at_start_B)
        return self._clocks()

    def _clocks(self) -> Clocks:
        clocks: Clocks = {}
        rows = torch.stack([self.open_B, self.step_B, self.steps_B], 1).tolist()
        for row, (is_open, *clock) in enumerate(rows):
            if is_open:
                clocks.setdefault(Clock(*clock), []).append(row)
        return clocks

    def _ends(self) -> Tensor:
        """[B] where each row's text ends: behind its first generated end-of-text, else its length."""
        if self.end_token_id is None or not self.ids_BL.numel():
            return self.lengths_B
        ended_BL = (self.ids_BL == self.end_token_id) & self.gaps_BL
        return torch.where(ended_BL, self.places_L + 1, self.lengths_B[:, None]).amin(1)

    def texts(self) -> list[list[int]]:
        """The rows as lists of ids, nothing behind a generated end-of-text."""
        return [row[:end] for row, end in zip(self.ids_BL.tolist(), self._ends().tolist(), strict=True)]
