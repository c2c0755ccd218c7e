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
    sorted_N, by_sequence_N = sequence_N[order_N].sort(stable=True)
    places_N = torch.arange(len(order_N), device=order_N.device) - torch.searchsorted(sorted_N, sorted_N)
    return torch.empty_like(order_N).scatter_(0, order_N[by_sequence_N], places_N)


def counts(sequence_N: Tensor, sequences: int) -> Tensor:
    """[sequences] int64: how many positions each sequence has."""
    return sequence_N.bincount(minlength=sequences)
