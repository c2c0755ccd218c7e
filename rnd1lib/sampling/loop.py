"""The loop: look at what is masked, let the sampler decide, commit, until nothing is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch

from rnd1lib.errors import SamplingError
from rnd1lib.kinds import Decision, Sampler, View
from rnd1lib.sampling.canvas import Canvas
from rnd1lib.sampling.record import Record
from rnd1lib.sampling.view import Forward, StepView, views
from rnd1lib.views import Observer, Step


class Filled(NamedTuple):
    """What was done: a step a forward pass, the passes, and the tokens run through the network in them, twins too."""

    steps: list[Step]
    forward_calls: int
    token_forwards: int


def fill(
    canvas: Canvas,
    sampler: Sampler,
    *,
    guidance: float,
    seed: int,
    numbers: Sequence[int],
    on_step: Observer | None = None,
) -> Filled:
    """Fills `canvas` in place, in at most as many forward passes as the sampler has steps.

    The last step of a block commits whatever the sampler leaves, with the sampler's own tokens.
    """
    steps: list[Step] = []
    numbers_B = torch.tensor(list(numbers), dtype=torch.int64, device=canvas.ids_BL.device)
    record = Record(canvas, numbers_B, details=bool(getattr(on_step, "details", False)))
    calls = tokens = 0
    while canvas.settle():
        forward = Forward(canvas, guidance)
        for view in views(forward, seed=seed, numbers=numbers_B):
            _commit(canvas, view, sampler.decide(cast(View, view)), record)
        canvas.step_B += forward.open_B
        calls, tokens = calls + len(forward.logits), tokens + forward.tokens
        if forward.logits:
            steps.append(record.step(len(steps)))
            if on_step is not None:
                on_step(steps[-1])
    return Filled(steps, calls, tokens)


def _commit(canvas: Canvas, view: StepView, decision: Decision, record: Record) -> None:
    commit_N = decision.commit_N | (view.step + 1 == view.steps)
    tokens_N = decision.tokens_N[commit_N]
    if bool((tokens_N == canvas.model.mask_token_id).any()):
        raise SamplingError(
            f"The sampler committed the mask token {canvas.model.mask_token_id} at step {view.step}: it is no word."
        )
    record.commits(view, commit_N)
    places = view.rows_B[view.sequence_N[commit_N]], view.position_N[commit_N]
    if decision.remask_BL is not None:
        again_BL = decision.remask_BL & view.generated_BL
        canvas.ids_BL[view.rows_B] = view.ids_BL.masked_fill(again_BL, canvas.model.mask_token_id)
    canvas.ids_BL[places] = tokens_N
