"""What a doubled attention mask promises besides, under which training reads [noisy | clean] (`kinds.DoubledMask`)."""

from __future__ import annotations

import torch
from torch import Tensor

from rnd1lib.kinds import DoubledMask
from rnd1lib.models.forward import is_doubled
from rnd1lib.testing.attention_mask import on_grid, rule
from rnd1lib.testing.promise import demand, promise_where


def parts(mask: DoubledMask) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """[S, S] each: whom noisy tokens see among noisy and among clean ones, whom clean tokens see among noisy and clean ones."""
    half = mask.sequence_length
    seen = on_grid(rule(mask, 0), 2 * half)
    return seen[:half, :half], seen[:half, half:], seen[half:, :half], seen[half:, half:]


def before(mask: DoubledMask, length: int) -> Tensor:
    """[length, length] int64: by how many blocks key j stands before query i."""
    blocks_L = torch.arange(length) // mask.block_length
    return blocks_L[:, None] - blocks_L[None, :]


@promise_where(is_doubled)
def the_clean_half_never_sees_the_noisy_one(mask: DoubledMask) -> None:
    """Of a doubled row [noisy | clean]: what stands clean is computed without noise, as in a cache."""
    seen = int(parts(mask)[2].sum())
    demand(seen == 0, f"clean tokens see noisy ones at {seen} places.")


@promise_where(is_doubled)
def no_noisy_token_sees_its_own_answer(mask: DoubledMask) -> None:
    """Of a doubled row: noisy token i sees the clean tokens of earlier blocks, never its own block's or a later one's."""
    wrong = int((parts(mask)[1] != (before(mask, mask.sequence_length) > 0)).sum())
    demand(wrong == 0, f"noisy tokens see clean ones wrongly at {wrong} places.")


@promise_where(is_doubled)
def a_noisy_token_sees_its_own_noisy_block(mask: DoubledMask) -> None:
    """Of a doubled row: noisy tokens see each other inside a block and nowhere else."""
    wrong = int((parts(mask)[0] != (before(mask, mask.sequence_length) == 0)).sum())
    demand(wrong == 0, f"noisy tokens see noisy ones wrongly at {wrong} places.")


@promise_where(is_doubled)
def clean_places_alone_are_block_causal(mask: DoubledMask) -> None:
    """Places from sequence_length on, also of documents longer than that: key j's block is not behind query i's. So sampling,
    which asks for clean places alone, sees what training saw."""
    half = mask.sequence_length
    seen = on_grid(rule(mask, 0), 3 * half)[half:, half:]
    wrong = int((seen != (before(mask, 2 * half) >= 0)).sum())
    demand(wrong == 0, f"clean places alone are masked otherwise at {wrong} places.")
