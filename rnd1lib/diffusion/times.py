"""The noise levels of a step: one a row of the global batch, or one a block, spread so that a step's loss varies little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rnd1lib.diffusion.draws import Draws

GOLDEN_RATIO = 0.6180339887498949


@dataclass(frozen=True, kw_only=True)
class Times:
    """How noise levels are drawn: uniform in [low, high], each alone or stratified over the global batch."""

    draw: Literal["stratified", "uniform"] = "stratified"
    """`stratified`: one row in each n-th of [low, high], so a step's loss varies less at the same expectation."""
    per: Literal["row", "block"] = "row"
    """Whether the tokens of a row share a level, or those of a block of one of its documents."""
    low: float = 1e-3
    """The smallest t; the weight 1/t of a linear schedule is bounded by 1 / low."""
    high: float = 1.0
    """The largest t."""
    redraw: bool = False
    """Draw a row's or block's mask again while the share that it masks lies outside [low, high] (Arriola et al. 2025)."""

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high <= 1:
            raise ValueError(f"low: [{self.low}, {self.high}] is no part of (0, 1].")


def block_starts(positions_BL: Tensor, block_length: int) -> Tensor:
    """[B, L] int64: in which column of its row each token's block begins; blocks count from the start of each document."""
    columns_L = torch.arange(positions_BL.shape[1], device=positions_BL.device)
    return columns_L - positions_BL % block_length


def row_times(times: Times, draws: Draws, rows: int) -> Tensor:
    """[rows] float32 times in [low, high] for the rows of `draws`; computed on the CPU, alike on every rank."""
    if times.draw == "uniform":
        return _between(times, draws.uniform("times", rows, 1)[:, 0].double())
    return _between(times, _stratified(draws, rows))


def block_times(times: Times, draws: Draws, starts_BL: Tensor) -> Tensor:
    """[B, L] float32 times in [low, high], one for all tokens whose block begins in the same column; on the CPU.

    Stratified: block k of row i has the place of the row, moved on by k golden ratios: each block alone is uniform, the k-th
    blocks of all rows have one stratum each, and the blocks of a row spread over all of [low, high].
    """
    starts_BL = starts_BL.cpu()
    rows, width = starts_BL.shape
    if times.draw == "uniform":
        return _between(times, draws.uniform("times", rows, width).double().gather(1, starts_BL))
    number_BL = (starts_BL == torch.arange(width)).cumsum(1) - 1
    return _between(times, (_stratified(draws, rows)[:, None] + number_BL * GOLDEN_RATIO) % 1)


def _between(times: Times, u: Tensor) -> Tensor:
    return (times.low + (times.high - times.low) * u).float()


def _stratified(draws: Draws, rows: int) -> Tensor:
    """[rows] float64 in [0, 1), one in each n-th of it over the n rows of the global batch."""
    n = draws.global_rows or rows
    strata_N = _strata(n, roll=int(draws.once("strata") * n))
    row_B = torch.arange(draws.first_row, draws.first_row + rows) % n  # a validation's last batch may be filled up
    return (draws.once("times") + strata_N[row_B].double()) / n


def _strata(n: int, roll: int) -> Tensor:
    """[n] a permutation of 0..n-1 in which any run of neighbours spans the whole range: the ranks of frac(i * 0.618).

    Without it the first rank would get all low times and the last one twice its share of scored rows.
    """
    fractions_N = (torch.arange(n, dtype=torch.float64) * GOLDEN_RATIO) % 1
    return fractions_N.argsort().argsort().roll(roll)
