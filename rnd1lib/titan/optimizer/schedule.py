"""The learning-rate schedule: warm-up, then stages, as a factor of each group's peak rate; torchtitan has one shape a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torchtitan.components.optimizer import LRSchedulersContainer

from rnd1lib.recipe.arithmetic import Stage

SHAPES: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "linear": lambda progress: progress,
    "cosine": lambda progress: (1 - math.cos(math.pi * progress)) / 2,
}
"""How far a stage has come from the factor before it to its own, by the share of its steps that are done."""


def factor(step: int, *, warmup: int, stages: Sequence[Stage]) -> float:
    """The share of the peak learning rate at a step (from 0): (step + 1) / warmup, then stage by stage.

    A stage that decays starts at the factor before it and comes close to its own with its last step, as the next one starts
    there; so a decay to 0 has no step at 0. Behind the last stage its factor stays.
    """
    if step < warmup:
        return (step + 1) / warmup
    step -= warmup
    before = 1.0
    for stage in stages:
        if step < stage.length:
            come = SHAPES[stage.shape](step / stage.length)
            return before * (1 - come) + stage.factor * come
        step, before = step - stage.length, stage.factor
    return before


class Schedules(LRSchedulersContainer):
    """torchtitan's container of learning-rate schedulers, all of them along one `factor`."""

    @dataclass(kw_only=True, slots=True)
    class Config(LRSchedulersContainer.Config):
        """torchtitan's options stay at their defaults; `warmup` (steps) and `stages` say the schedule."""

        warmup: int = 0
        stages: tuple[Stage, ...] = ()

        def build(self, **parts: Any) -> Schedules:
            """The schedulers of these optimizers; how long the run is has gone into the stages' lengths before."""
            return Schedules(parts["optimizers"], partial(factor, warmup=self.warmup, stages=self.stages))
