"""Ranking the positions of each sequence among themselves, for samplers that commit the best few."""

from __future__ import annotations

import torch
from torch import Tensor


def ranks(score_N: Tensor, sequence_N: Tensor) -> Tensor:
    """[N] int64: each position's place among those of its own sequence, 0 for the highest score, ties in given order.

    sequence_N (int64) says which sequence a position belongs to. `ranks(score, sequence) < quota_B[sequence]` commits the
    best few of each.
    """
    order_N = score_N.argsort(descending=True, stable=True)
    order_N = order_N[sequence_N[order_N].argsort(stable=True)]
    sizes_B = sequence_N.bincount()
    starts_B = sizes_B.cumsum(0) - sizes_B
    places_N = torch.arange(len(order_N), device=order_N.device)
    return torch.empty_like(order_N).index_put_((order_N,), places_N - starts_B[sequence_N[order_N]])


def counts(sequence_N: Tensor, sequences: int) -> Tensor:
    """[sequences] int64: how many positions each sequence has."""
    return sequence_N.bincount(minlength=sequences)
