"""Corruption: at time t every maskable token becomes the mask token with probability 1 - alpha(t), each alone.

Absorbing-state masked diffusion (Sahoo et al. 2024, "Simple and Effective Masked Diffusion Language Models", sections 3.1
and 3.4); the stratified times follow their low-discrepancy sampler.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rnd1lib.diffusion.closing_run import deciders
from rnd1lib.diffusion.draws import Draws
from rnd1lib.kinds import Batch, Noise, Noised

GOLDEN_RATIO = 0.6180339887498949


@dataclass(frozen=True, kw_only=True)
class Times:
    """How the noise level of a row is drawn: uniform in [low, high], each alone or stratified over the global batch."""

    draw: Literal["stratified", "uniform"] = "stratified"
    """`stratified`: one row in each n-th of [low, high], so a step's loss varies less at the same expectation."""
    low: float = 1e-3
    """The smallest t; the weight 1/t of a linear schedule is bounded by 1 / low."""
    high: float = 1.0
    """The largest t."""

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high <= 1:
            raise ValueError(f"low: [{self.low}, {self.high}] is no part of (0, 1].")


def mask_probability(noise: Noise, t: Tensor) -> Tensor:
    """The probability that a token is masked at time t: 1 - alpha(t), shape and dtype of t."""
    return 1 - noise.alpha(t)


def elbo_weight(noise: Noise, t: Tensor) -> Tensor:
    """The weight of a masked token's cross entropy in the bound: -alpha'(t) / (1 - alpha(t)) (Sahoo et al. 2024, eq. 10)."""
    return -noise.alpha_prime(t) / mask_probability(noise, t)


def _strata(n: int, roll: int) -> Tensor:
    """[n] a permutation of 0..n-1 in which any run of neighbours spans the whole range: the ranks of frac(i * 0.618).

    Without it the first rank would get all low times and the last one twice its share of scored rows.
    """
    fractions_N = (torch.arange(n, dtype=torch.float64) * GOLDEN_RATIO) % 1
    return fractions_N.argsort().argsort().roll(roll)


def draw_times(times: Times, draws: Draws, rows: int) -> Tensor:
    """[rows] float32 times in [low, high] for the rows of `draws`; computed on the CPU, alike on every rank."""
    if times.draw == "uniform":
        u_B = draws.uniform("times", rows, 1)[:, 0].double()
    else:
        n = draws.global_rows or rows
        strata_N = _strata(n, roll=int(draws.once("strata") * n))
        row_B = torch.arange(draws.first_row, draws.first_row + rows) % n  # a validation's last batch may be filled up
        u_B = (draws.once("times") + strata_N[row_B].double()) / n
    return (times.low + (times.high - times.low) * u_B).float()


def corrupt(
    batch: Batch,
    noise: Noise,
    draws: Draws,
    mask_token_id: int,
    times: Times = Times(),
    *,
    eos_token_id: int | None = None,
) -> Noised:
    """Masks a batch: each maskable token becomes `mask_token_id` with probability 1 - alpha(t) of its row's t.

    A function of the batch and of (draws.seed, draws.step, global row, position): the corrupted global batch is the same
    however many ranks share it. eos_token_id: if given, a document's closing run of it is masked as a whole or not at all,
    as its first token's draw says.
    """
    rows, width = batch.ids_BL.shape
    device = batch.ids_BL.device
    t_B = draw_times(times, draws, rows).to(device)
    u_BL = draws.uniform("mask", rows, width, device=device)
    if eos_token_id is not None:
        u_BL = u_BL.gather(1, deciders(batch, eos_token_id))
    hidden_BL = u_BL < mask_probability(noise, t_B)[:, None]
    masked_BL = batch.maskable_BL & hidden_BL
    return Noised(batch.ids_BL.masked_fill(masked_BL, mask_token_id), masked_BL, t_B, elbo_weight(noise, t_B))


def uncorrupted(batch: Batch) -> Noised:
    """A batch that nothing was done to, for an objective that does not corrupt: t = 0, weight 1."""
    nothing_B = torch.zeros(len(batch.ids_BL), device=batch.ids_BL.device)
    return Noised(batch.ids_BL, torch.zeros_like(batch.maskable_BL), nothing_B, nothing_B + 1)
