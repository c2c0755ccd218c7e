"""Corruption: at time t every maskable token becomes the mask token with probability 1 - alpha(t), each alone.

Absorbing-state masked diffusion (Sahoo et al. 2024, "Simple and Effective Masked Diffusion Language Models", sections 3.1
and 3.4); the stratified times follow their low-discrepancy sampler, times a block and redrawn masks Arriola et al. 2025,
"Block Diffusion".
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rnd1lib.diffusion.closing_run import deciders
from rnd1lib.diffusion.draws import Draws
from rnd1lib.diffusion.times import Times, block_starts, block_times, row_times
from rnd1lib.kinds import Batch, Noise, Noised

BY_ROW = Times()
ATTEMPTS = 16  # of a mask; a share that no mask can have, such as 0.3 to 0.8 of one token, keeps the last one


def mask_probability(noise: Noise, t: Tensor) -> Tensor:
    """The probability that a token is masked at time t: 1 - alpha(t), shape and dtype of t."""
    return 1 - noise.alpha(t)


def elbo_weight(noise: Noise, t: Tensor) -> Tensor:
    """The weight of a masked token's cross entropy in the bound: -alpha'(t) / (1 - alpha(t)) (Sahoo et al. 2024, eq. 10)."""
    return -noise.alpha_prime(t) / mask_probability(noise, t)


def corrupt(
    batch: Batch,
    noise: Noise,
    draws: Draws,
    mask_token_id: int,
    times: Times = BY_ROW,
    *,
    block_length: int | None = None,
    eos_token_id: int | None = None,
) -> Noised:
    """Masks a batch: each maskable token becomes `mask_token_id` with probability 1 - alpha(t) of its row's or block's t.

    A function of the batch and of (draws.seed, draws.step, global row, position): the corrupted global batch is the same
    however many ranks share it. With `times.per` "block" blocks of `block_length` count from the start of each document, and
    t and weight are [B, L]; ValueError without a block length. eos_token_id: if given, a document's closing run of it is
    masked as a whole or not at all, as its first token's draw says, at that token's t.
    """
    (rows, width), device = batch.ids_BL.shape, batch.ids_BL.device
    decider_BL = _own_places(batch) if eos_token_id is None else deciders(batch, eos_token_id)
    starts_BL = _starts(batch, times, block_length).gather(1, decider_BL)
    t_B = (row_times(times, draws, rows) if times.per == "row" else block_times(times, draws, starts_BL)).to(device)
    exact_t_B = t_B.double()  # what is rounded from it is the same in every cut; a vectorised float32 power is not
    probability_BL = mask_probability(noise, exact_t_B).to(t_B.dtype).reshape(rows, -1)

    def drawn(attempt: int) -> Tensor:
        u_BL = draws.uniform(f"mask {attempt}" if attempt else "mask", rows, width, device=device)
        return batch.maskable_BL & (u_BL.gather(1, decider_BL) < probability_BL)

    masked_BL = _within_band(drawn, batch.maskable_BL, starts_BL, times) if times.redraw else drawn(0)
    return Noised(
        batch.ids_BL.masked_fill(masked_BL, mask_token_id), masked_BL, t_B, elbo_weight(noise, exact_t_B).to(t_B.dtype)
    )


def _starts(batch: Batch, times: Times, block_length: int | None) -> Tensor:
    """[B, L] int64: in which column the row or block begins whose tokens have one t."""
    if times.per == "row":
        return torch.zeros_like(batch.positions_BL)
    if block_length is None:
        raise ValueError("block_length: missing. Times a block need the length of a block.")
    return block_starts(batch.positions_BL, block_length)


def _own_places(batch: Batch) -> Tensor:
    """[B, L] every token's own column."""
    return torch.arange(batch.ids_BL.shape[1], device=batch.ids_BL.device).expand(batch.ids_BL.shape)


def _within_band(drawn: Callable[[int], Tensor], maskable_BL: Tensor, starts_BL: Tensor, times: Times) -> Tensor:
    """[B, L] bool: the first mask of each row or block whose masked share lies in [low, high], or the last one drawn."""

    def of_its_block(values_BL: Tensor) -> Tensor:
        counts_BL = torch.zeros_like(starts_BL).scatter_add_(1, starts_BL, values_BL.long())
        return counts_BL.gather(1, starts_BL)

    masked_BL, maskable_tokens_BL = drawn(0), of_its_block(maskable_BL)
    for attempt in range(1, ATTEMPTS):
        share_BL = of_its_block(masked_BL).double() / maskable_tokens_BL  # NaN, so never outside, where nothing is maskable
        outside_BL = (share_BL < times.low) | (share_BL > times.high)
        if not bool(outside_BL.any()):
            break
        masked_BL = torch.where(outside_BL, drawn(attempt), masked_BL)
    return masked_BL


def uncorrupted(batch: Batch) -> Noised:
    """A batch that nothing was done to, for an objective that does not corrupt: t = 0, weight 1."""
    nothing_B = torch.zeros(len(batch.ids_BL), device=batch.ids_BL.device)
    return Noised(batch.ids_BL, torch.zeros_like(batch.maskable_BL), nothing_B, nothing_B + 1)
