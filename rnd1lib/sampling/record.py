"""What a step did, written down while it is done: for `Generation.steps` and for observers."""

from __future__ import annotations

import torch
from torch import Tensor

from rnd1lib.sampling.canvas import Canvas
from rnd1lib.sampling.view import StepView
from rnd1lib.views import Details, Step

BEST = 5
"""Tokens that are told of each committed place."""


class Record:
    """Gathers what is committed until a step is told of; a step without a forward pass is told of with the next one.

    numbers_B: the rows' own numbers. details: whether observers want entropies and the best tokens. They come from the logits
    that the sampler asked for, of the committed places alone.
    """

    def __init__(self, canvas: Canvas, numbers_B: Tensor, *, details: bool) -> None:
        self._canvas, self._details = canvas, details
        self._numbers_B, self._lengths_B = numbers_B.to("cpu", copy=True), canvas.lengths_B.to("cpu", copy=True)
        self._begin()

    def _begin(self) -> None:
        shape, device = self._canvas.ids_BL.shape, self._canvas.ids_BL.device
        self._before_BL = self._canvas.ids_BL.clone()
        self._log_prob_BL = torch.zeros(shape, device=device)
        if self._details:
            self._entropy_BL = torch.full(shape, torch.nan, device=device)
            self._best_BLK = torch.full((*shape, BEST), torch.nan, device=device)
            self._best_ids_BLK = torch.zeros((*shape, BEST), dtype=torch.int64, device=device)

    def commits(self, view: StepView, commit_N: Tensor, places: tuple[Tensor, Tensor]) -> None:
        """What is about to be committed. places: where on the canvas."""
        if not len(places[0]):
            return
        self._log_prob_BL[places] = view.log_prob()[commit_N]
        if self._details and (plain := view.plain(commit_N)) is not None:
            self._entropy_BL[places] = plain.entropy
            best_ids_CK, best_CK = plain.best(BEST)
            known = slice(0, best_CK.shape[1])  # a vocabulary may have fewer
            self._best_ids_BLK[(*places, known)], self._best_BLK[(*places, known)] = best_ids_CK, best_CK

    def step(self, number: int) -> Step:
        """All since the last one."""
        canvas, mask_token_id = self._canvas, self._canvas.model.mask_token_id
        changed_BL = canvas.ids_BL != self._before_BL
        committed_BL = changed_BL & (canvas.ids_BL != mask_token_id)
        again_BL = changed_BL & (self._before_BL != mask_token_id)
        step = Step(
            number=number,
            ids_BL=canvas.ids_BL.to("cpu", copy=True),  # which later steps change
            lengths_B=self._lengths_B,
            committed_BL=committed_BL.cpu(),
            log_prob_BL=self._log_prob_BL.cpu(),
            again_BL=again_BL.cpu(),
            numbers_B=self._numbers_B,
            details=self._details_of(committed_BL) if self._details else None,
        )
        self._begin()
        return step

    def _details_of(self, committed_BL: Tensor) -> Details:
        return Details(
            entropy_C=self._entropy_BL[committed_BL].cpu(),
            best_ids_CK=self._best_ids_BLK[committed_BL].cpu(),
            best_CK=self._best_BLK[committed_BL].cpu(),
        )
