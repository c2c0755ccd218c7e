"""How far the weights have moved since the run began, measured on a sample: a whole copy would cost a model's memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from rnd1lib.models.weights import parameters
from rnd1lib.titan.optimizer.groups import Claim

SAMPLE = 4096
"""Of each parameter's shard on each rank, evenly spaced."""


class Beginning:
    """Remembers a sample of the weights as they are now; `moved` holds them against the weights of then."""

    def __init__(self, network: nn.Module, claims: Sequence[Claim]) -> None:
        self._network, self._claims = network, claims
        self._values = {name: _sampled(weight) for name, weight in parameters(network).items()}

    def moved(self) -> dict[str, float]:
        """GROUP_rms and GROUP_max of |w - w0| for each learning-rate group, equal on every rank; every rank calls it."""
        figures: dict[str, float] = {}
        now = parameters(self._network)
        for group, names in self._claims:
            distances = torch.cat([(_sampled(now[name]) - self._values[name]).abs().flatten() for name in names])
            sums = torch.stack([distances.square().sum(), torch.tensor(float(len(distances)), device=distances.device)])
            largest = distances.max() if len(distances) else sums.new_zeros(())
            dist.all_reduce(sums)
            dist.all_reduce(largest, op=dist.ReduceOp.MAX)
            figures[f"{group.name}_rms"] = float((sums[0] / sums[1].clamp(min=1)).sqrt())
            figures[f"{group.name}_max"] = float(largest)
        return figures


def _sampled(weight: Tensor) -> Tensor:
    """At most SAMPLE values of this rank's shard: float64, a copy."""
    local_N = (weight.to_local() if isinstance(weight, DTensor) else weight).detach().flatten()
    return local_N[:: max(1, len(local_N) // SAMPLE)][:SAMPLE].double()
