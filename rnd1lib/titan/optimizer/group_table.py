"""The table of learning-rate groups at a run's start, and what a rate is too small for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
import torch.distributed as dist
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from rnd1lib.kinds import Group
from rnd1lib.models.weights import parameters
from rnd1lib.titan.optimizer.groups import Claim


def unmoved_from(lr: float, dtype: torch.dtype) -> float:
    """The smallest power of two from which on a step of size `lr` does not move a weight of this dtype.

    AdamW's steps are about lr (Kingma & Ba 2015, section 2.1), and one below half the distance to the next number is rounded
    away: at w in [2^k, 2^(k+1)) that is 2^k * eps / 2.
    """
    return 2.0 ** (math.floor(math.log2(2 * lr / torch.finfo(dtype).eps)) + 1)


class Unmoved(NamedTuple):
    """The part of a group that its rate cannot move: weights of at least `size`, a `share` of all."""

    size: float
    share: float


def unmoved(group: Group, weights: Iterable[Tensor]) -> Unmoved | None:
    """Measured on the weights as they are, over all ranks (every rank calls it); None for a frozen group or one at lr 0."""
    if group.frozen or group.lr == 0:
        return None
    local = [weight.to_local() if isinstance(weight, DTensor) else weight for weight in weights]
    size = unmoved_from(group.lr, local[0].dtype)
    counts = torch.stack([torch.tensor([(w.detach().abs() >= size).sum(), w.numel()], device=w.device) for w in local]).sum(0)
    dist.all_reduce(counts)
    return Unmoved(size, int(counts[0]) / max(int(counts[1]), 1))


def show_groups(claims: Sequence[Claim], network: nn.Module) -> None:
    """Prints the groups on rank 0's stderr, a line each, and a warning for a rate that weights are too large for.

    Every rank calls it.
    """
    ours = parameters(network)
    still = [unmoved(group, [ours[name] for name in names]) for group, names in claims]
    if dist.get_rank() != 0:
        return
    sizes = [sum(ours[name].numel() for name in names) for _, names in claims]
    console = Console(stderr=True, width=100, highlight=False)
    console.print(_table(claims, sizes))
    for (group, names), part in zip(claims, still, strict=True):
        if part is not None and part.share:
            console.print(_warning(group, part, ours[names[0]].dtype), markup=False)


def _table(claims: Sequence[Claim], sizes: Sequence[int]) -> Table:
    table = Table("group", box=None, pad_edge=False)
    for heading in ("tensors", "parameters", "share", "peak lr", "weight decay"):
        table.add_column(heading, justify="right")
    for (group, names), size in zip(claims, sizes, strict=True):
        rate = ("frozen", "") if group.frozen else (f"{group.lr:.2e}", f"{group.weight_decay:g}")
        table.add_row(group.name, str(len(names)), f"{size:,}", f"{size / sum(sizes):.2%}", *rate)
    return table


def _warning(group: Group, part: Unmoved, dtype: torch.dtype) -> str:
    name = str(dtype).removeprefix("torch.")
    return (
        f"group {group.name}: a step of {group.lr:.1e} is below half the distance of {name} numbers at {part.size:g} and above "
        f"({part.size * torch.finfo(dtype).eps / 2:.1e}): {part.share:.2%} of its weights are that large and do not move. "
        "Frozen groups (`rest: freeze`) cost less."
    )
