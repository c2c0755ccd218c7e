"""What an attention mask promises: a rule on positions inside a document, a function of the step alone, blind to nobody."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rnd1lib.kinds import AttentionMask
from rnd1lib.models.forward import is_doubled
from rnd1lib.testing.promise import demand, promise
from rnd1lib.testing.purity import no_process_rng, twice

if TYPE_CHECKING:
    from rnd1lib.kinds.attention_mask import MaskMod

LATE = 1 << 20
LENGTH = 24


def length_of(mask: AttentionMask) -> int:
    """How many positions the rule is asked for: both halves of a doubled row, else any number."""
    return 2 * mask.sequence_length if is_doubled(mask) else LENGTH


def steps_of(mask: AttentionMask) -> list[int]:
    """The first steps, a late one, and those around the step at which the pattern changes, if it does."""
    probed = {0, 1, 7, LATE}
    low, high = 0, LATE
    if mask.pattern(low) != mask.pattern(high):
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if mask.pattern(middle) == mask.pattern(0) else (low, middle)
        probed |= {max(high - 2, 0), low, high, high + 1}
    return sorted(probed)


def rule(mask: AttentionMask, step: int) -> MaskMod:
    """The rule at a step: what the pattern says, or `mask_mod`."""
    pattern = mask.pattern(step)
    if pattern == "custom":
        return mask.mask_mod(torch.tensor(step))
    return lambda b, h, q, kv: kv <= q if pattern == "causal" else torch.ones_like(q + kv, dtype=torch.bool)


def on_grid(mask_mod: MaskMod, length: int, row: int = 0, head: int = 0) -> Tensor:
    """[length, length] bool: whether query i sees key j."""
    places_L = torch.arange(length)
    return mask_mod(torch.tensor(row), torch.tensor(head), places_L[:, None], places_L[None, :]).expand(length, length)


@promise
def the_pattern_is_full_causal_or_custom(mask: AttentionMask) -> None:
    """pattern(step) in {full, causal, custom} at every step, counted from 0, and the same whenever it is asked."""
    forwards = [mask.pattern(step) for step in steps_of(mask)]
    demand(set(forwards) <= {"full", "causal", "custom"}, f"the patterns are {sorted(set(forwards))}.")
    backwards = [mask.pattern(step) for step in reversed(steps_of(mask))]
    demand(forwards == backwards[::-1], "the pattern depends on which steps were asked before.")


@promise
def a_fast_path_is_a_shortcut_for_the_rule(mask: AttentionMask) -> None:
    """Where pattern says `full`, mask_mod is true everywhere; where it says `causal`, it is kv <= q. A mask_mod that is never
    asked there may also refuse, by NotImplementedError."""
    for step in steps_of(mask):
        pattern = mask.pattern(step)
        if pattern != "custom":
            with suppress(NotImplementedError):
                told = on_grid(mask.mask_mod(torch.tensor(step)), LENGTH)
                off = int((told != on_grid(rule(mask, step), LENGTH)).sum())
                demand(off == 0, f"at step {step} pattern says {pattern}, and mask_mod differs from it at {off} places.")


@promise
def mask_mod_broadcasts_over_index_tensors(mask: AttentionMask) -> None:
    """Indices of any shapes that broadcast, int64: a grid, a list of pairs, single ones. The result is bool and the same."""
    length = length_of(mask)
    places_L = torch.arange(length)
    q_LL, kv_LL = torch.meshgrid(places_L, places_L, indexing="ij")
    zero = torch.tensor(0)
    for step in steps_of(mask):
        mask_mod = rule(mask, step)
        grid_LL = on_grid(mask_mod, length)
        demand(grid_LL.dtype == torch.bool, f"the result is {grid_LL.dtype}.")
        pairs = mask_mod(zero, zero, q_LL.flatten(), kv_LL.flatten())
        demand(torch.equal(pairs.expand(length * length), grid_LL.flatten()), f"step {step}: pairs differ from the grid.")
        blocks = mask_mod(torch.arange(2)[:, None, None], zero, places_L[:, None], places_L)
        demand(torch.equal(blocks.expand(2, length, length)[0], grid_LL), f"step {step}: rows of a batch differ from the grid.")
        single = torch.tensor([bool(mask_mod(zero, zero, torch.tensor(q), torch.tensor(5))) for q in range(length)])
        demand(torch.equal(single, grid_LL[:, 5]), f"step {step}: single indices differ from the grid.")


@promise
def a_longer_row_begins_like_a_shorter_one(mask: AttentionMask) -> None:
    """Who sees whom among the first places does not depend on how many places follow."""
    for step in steps_of(mask):
        mask_mod = rule(mask, step)
        short_LL = on_grid(mask_mod, length_of(mask) // 2)
        long_LL = on_grid(mask_mod, length_of(mask))
        demand(torch.equal(long_LL[: len(short_LL), : len(short_LL)], short_LL), f"step {step}: the first places differ.")


@promise
def no_token_is_blind(mask: AttentionMask) -> None:
    """Every token sees itself, so that attention has something to attend to."""
    for step in steps_of(mask):
        blind = (~on_grid(rule(mask, step), length_of(mask)).diagonal()).nonzero()[:, 0].tolist()
        demand(not blind, f"step {step}: the tokens at {blind[:5]} do not see themselves.")


@promise
def every_row_of_the_batch_has_the_same_mask(mask: AttentionMask) -> None:
    """One draw a step, shared by the rows: a row's number is that of its micro-batch, and another cut must change nothing."""
    for step in steps_of(mask):
        mask_mod = rule(mask, step)
        first_LL, sixth_LL = on_grid(mask_mod, length_of(mask)), on_grid(mask_mod, length_of(mask), row=5)
        demand(torch.equal(first_LL, sixth_LL), f"step {step}: row 5 of a batch has another mask than row 0.")


@promise
def the_mask_is_a_function_of_the_step(mask: AttentionMask) -> None:
    """The same bits at every call, in any order of steps, without a generator of the process; step is a 0-d tensor."""
    steps = [step for step in steps_of(mask) if mask.pattern(step) == "custom"]
    with no_process_rng():
        forwards = {step: on_grid(mask.mask_mod(torch.tensor(step)), length_of(mask)) for step in steps}
        backwards = {step: on_grid(mask.mask_mod(torch.tensor(step)), length_of(mask)) for step in reversed(steps)}
    for step in steps:
        demand(torch.equal(forwards[step], backwards[step]), f"step {step} depends on which steps came before it.")
    one, two = twice(lambda: [on_grid(mask.mask_mod(torch.tensor(step)), length_of(mask)) for step in steps])
    demand(all(map(torch.equal, one, two)), "the seed of the process changes the mask.")
