"""A run as its callbacks and evaluators see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch import Tensor

from rnd1lib.data import PackedRows
from rnd1lib.kinds import Batch, Objective
from rnd1lib.models.denoiser import DiffusionLM

HeldOutRows = Callable[[Any], tuple[PackedRows, int]]
"""Packed rows of some data (None: the run's own held-out documents), and how many there are."""


class RunningModel(DiffusionLM):
    """The model in the middle of its run. Every rank holds a part of it, so every rank makes the same calls."""

    def __init__(self, *, objective: Objective, held_out_rows: HeldOutRows, micro_batch_rows: int, **model: Any) -> None:
        super().__init__(**model)
        self.objective = objective
        self.held_out_rows, self.micro_batch_rows = held_out_rows, micro_batch_rows

    def held_out(self, rows: int, data: Any = None) -> Iterator[tuple[int, Batch]]:
        """This rank's share of the held-out rows, micro-batch by micro-batch; see `ModelInTraining`."""
        packed, available = self.held_out_rows(data)
        rows, rank, ranks = min(rows, available), dist.get_rank(), dist.get_world_size()
        for start in range(0, rows, self.micro_batch_rows * ranks):
            first_row = start + rank * self.micro_batch_rows
            batch = packed.batch(first_row, self.micro_batch_rows)
            real = max(0, rows - first_row)
            batch.maskable_BL[real:] = False
            yield first_row, Batch(*(field.to(self.device) for field in batch))

    def sum(self, values: Tensor) -> Tensor:
        """The sum over the ranks, on the CPU."""
        summed = values.to(self.device)
        dist.all_reduce(summed)
        return summed.cpu()


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
