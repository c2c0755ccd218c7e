"""Keys and values kept between passes: which positions a pass runs anew, and which it believes what they said before.

Exact for models in which a token sees nothing behind its block (causal: a block of one); else approximate, since what was
kept of a token does not know of tokens that were filled in elsewhere since.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from torch import Tensor

from rnd1lib.diffusion.prediction import guided, with_twins
from rnd1lib.diffusion.shift import rows_that_predict
from rnd1lib.kinds import Cache, CachingDenoiser, Denoiser
from rnd1lib.sampling.canvas import Canvas
from rnd1lib.sampling.reading import Reader, Whole

NEVER = -1


class Look(NamedTuple):
    """What a policy knows of the A rows of a pass; int64 positions, each `stop` behind the last one.

    gap_A, gap_stop_A: of the row's block. row_A, row_stop_A: logit rows that are asked about. changed_A: the first position
    that was never run, or with another id; beyond the row where there is none. opened_A: the first gap of the block that
    holds it. length_A: of the row. entering_A: bool, it stands in another block than at its last pass. shift: the model's;
    block: so is this, None where a token sees what is behind it.
    """

    gap_A: Tensor
    gap_stop_A: Tensor
    row_A: Tensor
    row_stop_A: Tensor
    changed_A: Tensor
    opened_A: Tensor
    length_A: Tensor
    entering_A: Tensor
    shift: int
    block: int | None

    def floor(self, place_A: Tensor) -> Tensor:
        """Where the model's block of a position begins; the position itself where the model has no blocks."""
        return place_A if self.block is None else place_A // self.block * self.block

    def ceil(self, stop_A: Tensor) -> Tensor:
        """Where the model's block ends that holds the position before `stop_A`."""
        return stop_A if self.block is None else torch.minimum(-(-stop_A // self.block) * self.block, self.length_A)


Policy = Callable[[Look], tuple[Tensor, Tensor]]
"""Which positions a pass runs: [start, stop) of each row, which hold all rows that are asked about."""


def prefix(look: Look) -> tuple[Tensor, Tensor]:
    """All when a row enters a block; then the block and all behind it (Wu et al. 2025, "Fast-dLLM", section 3.2)."""
    start_A = torch.minimum(look.floor(look.gap_A), look.gap_A - look.shift)
    return start_A.masked_fill(look.entering_A, 0), look.length_A


def dual(look: Look) -> tuple[Tensor, Tensor]:
    """All when a row enters a block; then the block alone (Fast-dLLM's DualCache)."""
    start_A, _ = prefix(look)
    return start_A, torch.where(look.entering_A, look.length_A, look.ceil(look.gap_stop_A))


def block(look: Look) -> tuple[Tensor, Tensor]:
    """From the block of the first change on: the model's, to the end of that with the last row asked about; else all behind."""
    if look.block is None:
        return torch.minimum(torch.minimum(look.changed_A, look.opened_A), look.row_A), look.length_A
    return torch.minimum(look.floor(look.changed_A), look.row_A), look.ceil(look.row_stop_A)


POLICIES: dict[str, Policy] = {"prefix": prefix, "dual": dual, "block": block}


def is_exact(model: Denoiser, cache: str | None) -> bool:
    """Whether sampling with this cache gives what it gives without."""
    return cache is None or getattr(model, "block_length", None) is not None


def reader(canvas: Canvas, cache: str | None, guidance: float) -> Reader:
    """Who asks the model in a call of `generate` or `infill`."""
    return Whole(canvas, guidance) if cache is None else Cached(canvas, POLICIES[cache], guidance)


class Cached:
    """Runs what a policy says of the rows that are asked about; a row's twin under guidance is one more row of the cache."""

    def __init__(self, canvas: Canvas, policy: Policy, guidance: float) -> None:
        self._canvas, self._policy, self._guidance = canvas, policy, guidance
        self._model = cast(CachingDenoiser, canvas.model)  # `check` has looked
        self._ran_BL = torch.full_like(canvas.ids_BL, NEVER)
        self._block_B = torch.full_like(canvas.block_B, NEVER)
        self._cache: Cache | None = None
        self._place_B, self._rows = torch.zeros_like(canvas.lengths_B), 0
        self.tokens = 0

    def read(self, asked_BL: Tensor) -> Tensor:
        """One call of the model, or two: rows that are run whole would make all others as wide."""
        rows_A = asked_BL.any(1).nonzero()[:, 0]
        wanted_BL = rows_that_predict(asked_BL, self._model.shift)
        start_A, stop_A = self._policy(self._look(rows_A, wanted_BL[rows_A]))
        self._note(rows_A, start_A, stop_A)
        if self._cache is None:
            open_C = self._canvas.masked_BL.any(1).nonzero()[:, 0]
            return self._first(open_C, wanted_BL, torch.zeros_like(self._place_B).scatter(0, rows_A, stop_A))
        whole_A = stop_A - start_A == self._canvas.lengths_B[rows_A]
        groups = [group_G for group_G in (whole_A.nonzero()[:, 0], (~whole_A).nonzero()[:, 0]) if len(group_G)]
        parts = [self._more(rows_A[group_G], wanted_BL, start_A[group_G], stop_A[group_G]) for group_G in groups]
        if len(parts) == 1:
            return parts[0]
        rows_N = torch.cat([rows_A[group_G][wanted_BL[rows_A[group_G]].nonzero()[:, 0]] for group_G in groups])
        return torch.cat(parts)[rows_N.argsort(stable=True)]

    def _look(self, rows_A: Tensor, wanted_AL: Tensor) -> Look:
        canvas = self._canvas
        gaps_AL, lengths_A = canvas.current_BL[rows_A], canvas.lengths_B[rows_A]
        inside_AL = canvas.places_L < lengths_A[:, None]
        changed_A = _start((canvas.ids_BL[rows_A] != self._ran_BL[rows_A]) & inside_AL)
        block_of_AL = canvas.block_of_BL[rows_A]
        same_AL = block_of_AL == block_of_AL.gather(1, changed_A[:, None].clamp(max=len(canvas.places_L) - 1))
        return Look(
            gap_A=_start(gaps_AL),
            gap_stop_A=_stop(gaps_AL),
            row_A=_start(wanted_AL),
            row_stop_A=_stop(wanted_AL),
            changed_A=changed_A,
            opened_A=_start(same_AL & canvas.gaps_BL[rows_A]),
            length_A=lengths_A,
            entering_A=canvas.block_B[rows_A] != self._block_B[rows_A],
            shift=self._model.shift,
            block=getattr(self._model, "block_length", None),
        )

    def _note(self, rows_A: Tensor, start_A: Tensor, stop_A: Tensor) -> None:
        """Remembers what is about to be run."""
        canvas = self._canvas
        run_AL = (canvas.places_L >= start_A[:, None]) & (canvas.places_L < stop_A[:, None])
        self._ran_BL[rows_A] = torch.where(run_AL, canvas.ids_BL[rows_A], self._ran_BL[rows_A])
        self._block_B[rows_A] = canvas.block_B[rows_A]
        self.tokens += int((stop_A - start_A).sum()) * (2 if self._guidance else 1)

    def _first(self, rows_C: Tensor, wanted_BL: Tensor, stop_B: Tensor) -> Tensor:
        """Every row that may ever be asked about is given its place in the cache; each is run from its beginning."""
        canvas, width = self._canvas, int(stop_B.max())
        self._place_B[rows_C], self._rows = torch.arange(len(rows_C), device=rows_C.device), len(rows_C)
        self._cache = cache = self._model.prefill(
            self._ids(rows_C)[:, :width],
            rows_BL=self._twice(wanted_BL[rows_C, :width]),
            lengths_B=self._twice(stop_B[rows_C]),
            room=canvas.ids_BL.shape[1],
        )
        logits_NV, cache.logits = cache.logits, cache.logits.new_empty(0)  # or they would live as long as the cache
        return self._guided(logits_NV)

    def _more(self, rows_G: Tensor, wanted_BL: Tensor, start_G: Tensor, stop_G: Tensor) -> Tensor:
        at_GS = start_G[:, None] + torch.arange(int((stop_G - start_G).max()), device=rows_G.device)
        runs_GS = at_GS < stop_G[:, None]
        take_GS = at_GS.where(runs_GS, 0)
        logits_NV = self._model.extend(
            self._cache,
            self._ids(rows_G).gather(1, self._twice(take_GS)),
            at_BS=self._twice(at_GS.where(runs_GS, -1)),
            rows_BS=self._twice(wanted_BL[rows_G].gather(1, take_GS) & runs_GS),
            of_B=self._of(rows_G),
        )
        return self._guided(logits_NV)

    def _ids(self, rows_G: Tensor) -> Tensor:
        ids_GL = self._canvas.ids_BL[rows_G]
        return with_twins(self._model, ids_GL, ~self._canvas.gaps_BL[rows_G]) if self._guidance else ids_GL

    def _of(self, rows_G: Tensor) -> Tensor | None:
        """Their rows in the cache, the twins' behind all others; None for all of them, which spares a copy."""
        if len(rows_G) == self._rows:
            return None
        place_G = self._place_B[rows_G]
        return torch.cat([place_G, place_G + self._rows]) if self._guidance else place_G

    def _twice(self, values_G: Tensor) -> Tensor:
        return torch.cat([values_G, values_G]) if self._guidance else values_G

    def _guided(self, logits_NV: Tensor) -> Tensor:
        return guided(logits_NV, self._guidance) if self._guidance else logits_NV


def _start(marked_AL: Tensor) -> Tensor:
    """[A] the first marked position; L where none is."""
    places_L = torch.arange(marked_AL.shape[1], device=marked_AL.device)
    return places_L.where(marked_AL, marked_AL.shape[1]).amin(1)


def _stop(marked_AL: Tensor) -> Tensor:
    """[A] behind the last marked position."""
    places_L = torch.arange(marked_AL.shape[1], device=marked_AL.device)
    return (places_L + 1).where(marked_AL, 0).amax(1)
