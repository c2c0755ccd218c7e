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
    """At which step a row's block is, of how many."""

    step: int
    steps: int


Clocks = dict[Clock, list[int]]
"""The open rows of a canvas by their clocks. Mostly there is one."""


class Stand(NamedTuple):
    """Where a row stands: in which block, with how many masks when the row came to it, and at which step since."""

    block: int
    masked_at_start: int
    step: int


class Canvas:
    """Rows of unequal length, left-aligned; each walks through its own blocks, so none waits for another.

    ids_BL: int64, changed in place. gaps_BL: bool, masked at the start. origins: where each row's first block begins; on a
    model with blocks, and a sampler without any or with the same, the model's block that holds that position is the first.
    block_of_BL: the number of a position's block. block_B: the block in which a row stands, the one that holds its first
    mask, so that a block ends when it is full; NONE when the row is closed. current_BL: bool, that block's gaps. masked_BL:
    bool, what is left of them. stands: what the host knows of each row.
    """

    def __init__(
        self,
        model: Denoiser,
        rows: Sequence[Sequence[int]],
        origins: Sequence[int],
        sampler: Sampler,
        *,
        end_token_ids: Sequence[int] = (),
    ) -> None:
        self.model, self.end_token_ids = model, end_token_ids
        self.ids_BL, self.lengths_B = left_align(rows, model)
        device = self.ids_BL.device
        self.places_L = torch.arange(self.ids_BL.shape[1], device=device)
        self.gaps_BL = (self.ids_BL == model.mask_token_id) & (self.places_L < self.lengths_B[:, None])
        origins_B = torch.tensor(list(origins), dtype=torch.int64, device=device)
        of_model = getattr(model, "block_length", None) or 1
        length = sampler.block_length or (of_model if of_model > 1 else max(self.ids_BL.shape[1], 1))
        if length == of_model:
            origins_B = origins_B // length * length
        self.block_of_BL = (self.places_L - origins_B[:, None]).div(length, rounding_mode="floor")
        self._blocks = (-(-(self.lengths_B - origins_B) // length)).clamp(min=1).tolist()
        self._steps = sampler.steps
        self._check_steps(f"{length} (the model's)" if length == of_model > 1 else f"{length}")
        self.stands = [Stand(NONE, 0, 0)] * len(rows)
        self.block_B = torch.full_like(self.lengths_B, NONE)
        self.current_BL = self.masked_BL = torch.zeros_like(self.gaps_BL)

    def _check_steps(self, length: str) -> None:
        most = max(self._blocks, default=0)
        if self._steps is not None and most > self._steps:
            raise SamplingError(f"steps: {self._steps} are too few for {most} blocks of {length}: each block needs a step.")

    def settle(self) -> Clocks:
        """Before each step: closes rows that are done, moves rows whose block is full to their next one.

        A row is done when nothing is masked before its end-of-text; until then what lies behind it is filled in too.
        """
        if not self.masked_BL.numel():
            return {}
        masked_BL = (self.ids_BL == self.model.mask_token_id) & self.gaps_BL
        if self.end_token_ids:
            masked_BL &= (masked_BL & (self.places_L < self._ends()[:, None])).any(1, keepdim=True)
        self.block_B = torch.where(masked_BL, self.block_of_BL, NONE).amin(1)
        self.current_BL = self.gaps_BL & (self.block_of_BL == self.block_B[:, None])
        self.masked_BL = masked_BL & self.current_BL
        clocks: Clocks = {}
        for row, (block, masks) in enumerate(torch.stack([self.block_B, self.masked_BL.sum(1)], 1).tolist()):
            if masks:
                clocks.setdefault(self._clock(row, block, masks), []).append(row)
        return clocks

    def _clock(self, row: int, block: int, masks: int) -> Clock:
        """Moves a row one step on, or to the block that it now comes to; steps are split evenly, or there is one a token."""
        before, masked_at_start, step = self.stands[row]
        step, masked_at_start = (step + 1, masked_at_start) if block == before else (0, masks)
        self.stands[row] = Stand(block, masked_at_start, step)
        if self._steps is None:
            return Clock(step, masked_at_start)
        each, more = divmod(self._steps, self._blocks[row])
        return Clock(step, each + (block < more))

    def _ends(self) -> Tensor:
        """[B] where each row's text ends: behind its first generated end-of-text, else its length."""
        if not self.end_token_ids or not self.ids_BL.numel():
            return self.lengths_B
        ended_BL = torch.isin(self.ids_BL, self.ids_BL.new_tensor(self.end_token_ids)) & self.gaps_BL
        return torch.where(ended_BL, self.places_L + 1, self.lengths_B[:, None]).amin(1)

    def texts(self) -> list[list[int]]:
        """The rows as lists of ids, nothing behind a generated end-of-text."""
        return [row[:end] for row, end in zip(self.ids_BL.tolist(), self._ends().tolist(), strict=True)]
