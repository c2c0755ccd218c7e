"""Steps whose loss or gradient is not finite: passed over, with their batch kept to look at; too many in a row end the run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import Tensor

from rnd1lib.errors import NumericalError

FOLDER = "non_finite"


def agreed(loss: Tensor, grad_norm: Tensor) -> tuple[float, float]:
    """The sum of the ranks' shares of the loss (0-d), and the gradient's norm: NaN on every rank if on any it is not finite.

    One all-reduce for both, so that every rank comes to the same verdict.
    """
    both = torch.stack([loss.double(), (~grad_norm.isfinite()).double()])
    dist.all_reduce(both)
    total, spoilt = both.tolist()
    return total, math.nan if spoilt else float(grad_norm)


class NonFiniteSteps:
    """Counts them. skip: how many in a row are passed over; folder: the run's, which gets a file a rank for each of them."""

    def __init__(self, skip: int, folder: Path) -> None:
        self.skip, self.folder = skip, folder / FOLDER
        self.in_a_row = 0

    def passed_over(self, step: int, loss: float, grad_norm: float, micro_batches: Sequence[Mapping[str, Any]]) -> bool:
        """Whether this step (from 1) is to move no weights. NumericalError if it is one too many in a row.

        micro_batches: `batch`, `noised` and `first_row`, counted over the whole run, of each.
        """
        if math.isfinite(loss) and math.isfinite(grad_norm):
            self.in_a_row = 0
            return False
        self.in_a_row += 1
        self._keep(step, loss, grad_norm, micro_batches)
        if self.in_a_row > self.skip:
            name, value = ("gradient norm", grad_norm) if math.isfinite(loss) else ("loss", loss)
            already = f", after {self.skip} in a row that were passed over (train.non_finite.skip)" if self.skip else ""
            raise NumericalError(
                f"The {name} of step {step} is {value}{already}. The weights are those of step {step - self.in_a_row}; the "
                f"batches lie in {self.folder}. A lower learning rate or a longer warm-up may help."
            )
        return True

    def _keep(self, step: int, loss: float, grad_norm: float, micro_batches: Sequence[Mapping[str, Any]]) -> None:
        """Writes what this rank trained on, micro-batch m as `m.rows_B`, `m.clean.*` and `m.noised.*`, named as in `kinds`."""
        tensors: dict[str, Tensor] = {}
        for number, seen in enumerate(micro_batches):
            tensors[f"{number}.rows_B"] = torch.arange(len(seen["batch"].ids_BL)) + seen["first_row"]
            for name, value in (*_named("clean", seen["batch"]), *_named("noised", seen["noised"])):
                tensors[f"{number}.{name}"] = value.cpu().clone(memory_format=torch.contiguous_format)
        self.folder.mkdir(exist_ok=True)
        said = {"step": str(step), "loss": str(loss), "grad_norm": str(grad_norm)}
        save_file(tensors, self.folder / f"step-{step}-rank-{dist.get_rank()}.safetensors", metadata=said)


def _named(prefix: str, values: Any) -> Iterator[tuple[str, Tensor]]:
    return ((f"{prefix}.{name}", value) for name, value in values._asdict().items() if isinstance(value, Tensor))
