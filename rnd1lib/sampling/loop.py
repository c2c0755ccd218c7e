"""The loop: look at what is masked, let the sampler decide, commit, until nothing is left."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch

from rnd1lib.errors import SamplingError
from rnd1lib.kinds import Decision, Sampler, View
from rnd1lib.sampling.cache import reader
from rnd1lib.sampling.call import Asked
from rnd1lib.sampling.canvas import Canvas, Clocks
from rnd1lib.sampling.record import Record
from rnd1lib.sampling.view import Forward, StepView, views
from rnd1lib.views import Step


class Filled(NamedTuple):
    """What was done: a step a forward pass, and the tokens run through the network in them, twins too."""

    steps: list[Step]
    token_forwards: int


def fill(canvas: Canvas, asked: Asked) -> Filled:
    """Fills `canvas` in place, in at most as many forward passes as the sampler has steps.

    The last step of a block commits whatever the sampler leaves, with the sampler's own tokens.
    """
    steps: list[Step] = []
    numbers_B = torch.tensor(list(asked.numbers), dtype=torch.int64, device=canvas.ids_BL.device)
    record = Record(canvas, numbers_B, details=bool(getattr(asked.on_step, "details", False)))
    asking = reader(canvas, asked.cache, asked.guidance)
    while clocks := canvas.settle():
        if _advance(Forward(canvas, asking), clocks, asked, numbers_B, record):
            steps.append(record.step(len(steps)))
            if asked.on_step is not None:
                asked.on_step(steps[-1])
    return Filled(steps, asking.tokens)


def _advance(forward: Forward, clocks: Clocks, asked: Asked, numbers_B: torch.Tensor, record: Record) -> bool:
    """One step of every open row; whether the model was asked. Its logits are gone before it is asked again."""
    canvas, seen = forward.canvas, views(forward, clocks, seed=asked.seed, numbers=numbers_B)
    decisions = [_decide(asked.sampler, view) for view in seen]
    for view, decision in zip(seen, decisions, strict=True):
        _commit(canvas, view, asked.sampler, decision, record)
    return bool(forward.logits)


def _decide(sampler: Sampler, view: StepView) -> Decision:
    """What the sampler says; all that is left at the last step of a block."""
    decision = sampler.decide(cast(View, view))
    commit_N = decision.commit_N | (view.step + 1 == view.steps)
    if decision.tokens_N is None:
        view.choose(commit_N)
    return decision._replace(commit_N=commit_N)


def _commit(canvas: Canvas, view: StepView, sampler: Sampler, decision: Decision, record: Record) -> None:
    tokens_C, mask_token_id = _tokens(view, sampler, decision), canvas.model.mask_token_id
    if bool((tokens_C == mask_token_id).any()):
        raise SamplingError(f"The sampler committed the mask token {mask_token_id} at step {view.step}: which no sampler may.")
    places = view.places(decision.commit_N)
    record.commits(view, decision.commit_N, places)
    if decision.remask_BL is not None:
        again_BL = decision.remask_BL & view.generated_BL
        canvas.ids_BL[view.rows_B] = view.ids_BL.masked_fill(again_BL, mask_token_id)
    canvas.ids_BL[places] = tokens_C


def _tokens(view: StepView, sampler: Sampler, decision: Decision) -> torch.Tensor:
    """[C] what is committed: the sampler's tokens, or the model's at the positions that were chosen, if there are any."""
    if decision.tokens_N is not None:
        return decision.tokens_N[decision.commit_N]
    if not bool(decision.commit_N.any()):
        return view.position_N[:0]
    return view.scores(sampler.temperature, sampler.top_k, sampler.top_p, where="chosen").token
