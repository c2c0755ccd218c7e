"""A run as its callbacks and evaluators see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from rnd1lib.kinds import Batch, Objective
from rnd1lib.models.denoiser import DiffusionLM
from rnd1lib.titan.optimizer.moved import Beginning
from rnd1lib.titan.step.training_states import training_states

HeldOutBatches = Callable[[int, Any], list[tuple[int, Batch]]]
"""(rows, data or None) -> this rank's micro-batches with the number of their first row."""


class RunningModel(DiffusionLM):
    """The model in the middle of its run. Every rank holds a part of it, so every rank makes the same calls."""

    def __init__(
        self,
        network: nn.Module,
        *,
        objective: Objective,
        held_out_batches: HeldOutBatches,
        beginning: Beginning | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(network, **facts)
        self.objective, self._held_out_batches, self._beginning = objective, held_out_batches, beginning

    def held_out(self, rows: int, data: Any = None) -> Iterator[tuple[int, Batch]]:
        """This rank's share of the held-out rows, micro-batch by micro-batch; see `ModelInTraining`."""
        for first_row, batch in self._held_out_batches(rows, data):
            yield first_row, Batch(*(field.to(self.device) for field in batch))

    @torch.no_grad()
    def training_logits(self, noisy_BL: Tensor, batch: Batch, rows_BL: Tensor) -> Tensor:
        """[rows_BL.sum(), V] raw logits of those rows as a training step reads them; see `ModelInTraining`."""
        mask, step, shift = self.attention_mask, self.step, self.shift
        hidden_BLD = training_states(self.network, mask, step, noisy_BL, batch, shift=shift, kernel=self.kernel)
        return self._head(hidden_BLD[rows_BL])

    def sum(self, values: Tensor) -> Tensor:
        """The sum over the ranks, on the CPU."""
        summed = values.to(self.device)
        dist.all_reduce(summed)
        return summed.cpu()

    def moved(self) -> dict[str, float]:
        """How far each group's weights have moved; empty where the recipe has no evaluator that asks for it."""
        return self._beginning.moved() if self._beginning else {}


@dataclass
class RunInProgress:
    """What a callback may read; see `rnd1lib.kinds.Run`."""

    steps: int
    folder: Path
    recipe: Mapping[str, Any]
    make_model: Callable[[int], RunningModel]
    step: int = 0

    @property
    def rank(self) -> int:
        """This process's number."""
        return dist.get_rank()

    @property
    def ranks(self) -> int:
        """How many processes share the run."""
        return dist.get_world_size()

    def model(self) -> RunningModel:
        """The model as it stands."""
        return self.make_model(self.step)
