"""What an evaluator promises: figures that are a function of the model, alike on any number of ranks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor

from rnd1lib.diffusion import masked_targets
from rnd1lib.kinds import Batch, Evaluator, ModelInTraining, Noised, Targets
from rnd1lib.testing.denoiser import Table
from rnd1lib.testing.examples import packed, part
from rnd1lib.testing.promise import demand, promise
from rnd1lib.testing.purity import no_process_rng, twice, unchanged

ROWS = 8


class Masked:
    """The plainest objective."""

    shift: ClassVar[int] = 0
    corrupts: ClassVar[bool] = True
    counts: ClassVar[str] = "maskable"

    def targets(self, batch: Batch, noised: Noised) -> Targets:
        """Masked tokens, by the weight of the bound."""
        return masked_targets(batch, noised, shift=0, weight="schedule", normalise="maskable")


class Linear:
    """The plainest schedule."""

    def alpha(self, t: Tensor) -> Tensor:
        """1 - t."""
        return 1 - t

    def alpha_prime(self, t: Tensor) -> Tensor:
        """-1."""
        return -torch.ones_like(t)


class InTraining(Table):
    """A model in the middle of its run, on one of several ranks. sums: what the evaluator added up over the ranks so far."""

    objective = Masked()
    noise = Linear()  # type: ignore[assignment]

    def __init__(self, rank: int = 0, ranks: int = 1, others: list[Tensor] | None = None) -> None:
        super().__init__(shift=0)
        self._rank, self._ranks, self._others = rank, ranks, others
        self.sums: list[Tensor] = []
        self.batches = [(first, part(packed(ROWS), first, 2)) for first in range(rank * 2, ROWS, ranks * 2)]

    def held_out(self, rows: int, data: Any = None) -> Iterator[tuple[int, Batch]]:
        """This rank's share, two rows at a time."""
        return iter(self.batches)

    def training_logits(self, noisy_BL: Tensor, batch: Batch, rows_BL: Tensor) -> Tensor:
        """As a training step reads them."""
        return self.logits(noisy_BL, rows_BL=rows_BL, documents_BL=batch.documents_BL)

    def moved(self) -> dict[str, float]:
        """Of the single group."""
        return {"all_rms": 0.01, "all_max": 0.2}

    def sum(self, values: Tensor) -> Tensor:
        """Over the ranks: with what the others had at the same call."""
        self.sums.append(values.clone())
        return values if self._others is None else values + self._others[len(self.sums) - 1]


def figures(evaluator: Evaluator, model: InTraining | None = None) -> dict[str, float]:
    """What it says of a model after three steps."""
    told: ModelInTraining = model or InTraining()  # type: ignore[assignment]
    return evaluator.evaluate(told, step=3)


@promise
def figures_are_finite_numbers_with_names(evaluator: Evaluator) -> None:
    """dict[str, float], not empty: they become lines of metrics.jsonl."""
    told = figures(evaluator)
    demand(len(told) > 0, "there are no figures.")
    for name, value in told.items():
        demand(isinstance(name, str) and type(value) is float and math.isfinite(value), f"{name!r} is {value!r}.")


@promise
def the_same_model_has_the_same_figures(evaluator: Evaluator) -> None:
    """At every call and step: masks and samples are drawn by counters, not by a generator of the process."""
    with no_process_rng():
        first = figures(evaluator)
    one, two = twice(lambda: figures(evaluator))
    demand(first == one == two, f"the figures were {first}, then {one} and {two}.")


@promise
def an_evaluator_changes_nothing(evaluator: Evaluator) -> None:
    """The rows that are held out stay as they are."""
    model = InTraining()
    with unchanged([tensor for _, batch in model.batches for tensor in batch]):
        figures(evaluator, model)


@promise
def figures_do_not_depend_on_the_number_of_ranks(evaluator: Evaluator) -> None:
    """Two ranks with half of the rows each say both what one rank says of all: sums go through `model.sum`."""
    alone = figures(evaluator)
    halves = [InTraining(rank, 2) for rank in range(2)]
    for model in halves:
        figures(evaluator, model)
    calls = [len(model.sums) for model in halves]
    demand(calls[0] == calls[1], f"the ranks call `sum` {calls[0]} and {calls[1]} times: one of them would wait for ever.")
    for rank in range(2):
        told = figures(evaluator, InTraining(rank, 2, halves[1 - rank].sums))
        near = all(math.isclose(told[name], alone[name], rel_tol=1e-5, abs_tol=1e-9) for name in alone)
        demand(near, f"rank {rank} of 2 says {told}, one rank says {alone}.")
