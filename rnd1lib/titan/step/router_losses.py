"""An objective's losses of the routers in a training run: attached while a micro-batch is trained on, and reported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from rnd1lib.kinds import Objective


class Auxiliary:
    """The routers of a network in training, and what the objective asks of them.

    network: gives its `routers()` by layer. accumulation: micro-batches of a rank's step. Each rank and micro-batch has the
    same share in a step, so a mean over tokens (z) is that of the global batch however it is cut; the load balance, which
    is no mean over tokens, is averaged over the cuts.
    """

    def __init__(self, objective: Objective, network: Any, accumulation: int) -> None:
        self.objective = objective
        self.routers = network.routers() if hasattr(objective, "auxiliary") else {}
        self.share = 1 / (accumulation * dist.get_world_size())
        self._sums: dict[str, Tensor] = {}

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Around the forward and the backward of one micro-batch: recomputation asks the routers again in the backward."""
        for router in self.routers.values():
            router.attach(self.objective, self.share)
        try:
            yield
        finally:
            by_layer = [router.detach() for router in self.routers.values()]
        for name in by_layer[0] if by_layer else ():
            losses_R = torch.stack([losses[name] for losses in by_layer])
            self._sums[name] = self._sums.get(name, 0) + losses_R

    def figures(self) -> dict[str, dict[str, float]]:
        """Each loss of the step by name and layer, before its coefficient: the mean over micro-batches and ranks."""
        sums, self._sums = self._sums, {}
        return {name: dict(zip(self.routers, self._mean(losses_R), strict=True)) for name, losses_R in sums.items()}

    def _mean(self, sums_R: Tensor) -> list[float]:
        dist.all_reduce(sums_R)
        values: list[float] = (sums_R.double() * self.share).tolist()
        return values
