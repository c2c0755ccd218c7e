"""The loop: look at what is masked, let the sampler decide, commit, until nothing is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch

from rnd1lib.errors import SamplingError
from rnd1lib.kinds import Decision, Sampler, View
from rnd1lib.sampling.canvas import Canvas
from rnd1lib.sampling.view import Forward, StepView, views
from rnd1lib.views import Observer, Step


def fill(
    canvas: Canvas,
    sampler: Sampler,
    *,
    guidance: float,
    seed: int,
    numbers: Sequence[int],
    on_step: Observer | None = None,
) -> tuple[list[Step], int]:
    """Fills `canvas` in place; returns the steps and the number of forward passes, at most the sampler's steps.

    The last step of a block commits whatever the sampler leaves, with the sampler's own tokens.
    """
    steps: list[Step] = []
    numbers_B = torch.tensor(list(numbers), dtype=torch.int64, device=canvas.ids_BL.device)
    calls = 0
    while canvas.settle():
        forward = Forward(canvas, guidance)
        before_BL, log_prob_BL = canvas.ids_BL.clone(), torch.zeros(canvas.ids_BL.shape, device=canvas.ids_BL.device)
        for view in views(forward, seed=seed, numbers=numbers_B):
            decision = sampler.decide(cast(View, view))
            _commit(canvas, view, decision, log_prob_BL)
        canvas.step_B += forward.open_B
        calls += len(forward.logits)
        if forward.logits:
            committed_BL = (before_BL != canvas.ids_BL) & (canvas.ids_BL != canvas.model.mask_token_id)
            shown = (canvas.ids_BL, canvas.lengths_B, committed_BL, log_prob_BL)
            steps.append(Step(len(steps), *(value.cpu().clone() for value in shown)))
            if on_step is not None:
                on_step(steps[-1])
    return steps, calls


def _commit(canvas: Canvas, view: StepView, decision: Decision, log_prob_BL: torch.Tensor) -> None:
    commit_N = decision.commit_N | (view.step + 1 == view.steps)
    tokens_N = decision.tokens_N[commit_N]
    if bool((tokens_N == canvas.model.mask_token_id).any()):
        raise SamplingError(
            f"The sampler committed the mask token {canvas.model.mask_token_id} at step {view.step}: it is no word."
        )
    places = view.rows_B[view.sequence_N[commit_N]], view.position_N[commit_N]
    if decision.remask_BL is not None:
        again_BL = decision.remask_BL & view.generated_BL
        canvas.ids_BL[view.rows_B] = view.ids_BL.masked_fill(again_BL, canvas.model.mask_token_id)
    canvas.ids_BL[places] = tokens_N
    if bool(commit_N.any()):
        log_prob_BL[places] = view.log_prob()[commit_N]
