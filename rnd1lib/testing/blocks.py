"""What a schedule promises together with the core where blocks have times of their own, and where ends or masks are special."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from rnd1lib.diffusion import Draws, Times, corrupt
from rnd1lib.kinds import Batch, Noise, Noised
from rnd1lib.testing.examples import END, MASK, packed, part, plain
from rnd1lib.testing.promise import demand, promise
from rnd1lib.testing.purity import same

ROWS, BLOCK = 8, 4
PER_BLOCK = Times(per="block")


def noised(noise: Noise, batch: Batch, times: Times = PER_BLOCK, first_row: int = 0, step: int = 5) -> Noised:
    """Some rows of a global batch of eight, in blocks of four."""
    draws = Draws(seed=7, step=step, first_row=first_row, global_rows=ROWS)
    return corrupt(batch, noise, draws, MASK, times, block_length=BLOCK)


@promise
def a_block_has_one_time_and_the_weight_of_it(noise: Noise) -> None:
    """`per: block`: t and weight are [B, L], equal inside a block, which counts from the start of its document."""
    batch = packed(ROWS)
    made = noised(noise, batch)
    demand(made.t_B.shape == made.weight_B.shape == batch.ids_BL.shape, f"t is {tuple(made.t_B.shape)}.")
    inside_BL = (batch.positions_BL[:, 1:] % BLOCK != 0) & (batch.documents_BL[:, 1:] == batch.documents_BL[:, :-1])
    demand((made.t_B.diff(dim=1)[inside_BL] == 0).all(), "tokens of one block have different times.")
    demand((made.t_B.diff(dim=1)[~inside_BL] != 0).any(), "all blocks of a row have the same time.")
    exact_BL = -noise.alpha_prime(made.t_B.double()) / (1 - noise.alpha(made.t_B.double()))
    off = float(((made.weight_B.double() - exact_BL).abs() / (1e-3 + exact_BL)).max())
    demand(off < 1e-2, f"a block's weight differs from that of its time by {off:.2g}.")


@promise
def blocks_are_drawn_alike_on_every_rank(noise: Noise) -> None:
    """The corrupted global batch is the same for any cut, and another step has other times."""
    batch = packed(ROWS)
    whole = noised(noise, batch)
    parts = [noised(noise, part(batch, first, 2), first_row=first) for first in range(0, ROWS, 2)]
    demand(same(whole, [torch.cat(tensors) for tensors in zip(*parts, strict=True)]), "cut in four it is corrupted otherwise.")
    demand(not torch.equal(whole.t_B, noised(noise, batch, step=6).t_B), "another step has the same times.")


@promise
def the_blocks_of_a_column_are_stratified(noise: Noise) -> None:
    """Where all rows have their blocks at the same places, the k-th blocks have one time in each n-th of [low, high]."""
    t_BL: Tensor = noised(noise, plain(ROWS, 5 * BLOCK), Times(per="block", low=0.2, high=0.9)).t_B.double()
    demand(((t_BL >= 0.2 - 1e-6) & (t_BL <= 0.9 + 1e-6)).all(), f"t lies in [{float(t_BL.min())}, {float(t_BL.max())}].")
    for block in range(5):
        offsets_B = ((t_BL[:, block * BLOCK] - 0.2) / 0.7 * ROWS).sort().values
        gaps_B = torch.cat([offsets_B.diff(), offsets_B[:1] + ROWS - offsets_B[-1:]])
        demand(float((gaps_B - 1).abs().max()) < 1e-3, f"block {block} has times {t_BL[:, block * BLOCK].tolist()}.")


@promise
def a_redrawn_mask_lies_in_the_band(noise: Noise) -> None:
    """`redraw`: the masked share of a row or block lies in [low, high], here [0.3, 0.8], where that is likely at its time."""
    batch = plain(ROWS, 8 * BLOCK)
    pers: tuple[Literal["row", "block"], ...] = ("row", "block")
    for per in pers:
        seen = torch.zeros(2, dtype=torch.int64)
        for step in range(4):
            made = noised(noise, batch, Times(per=per, low=0.3, high=0.8, redraw=True), step=step)
            share_BK = made.masked_BL.double().reshape(ROWS, 1 if per == "row" else 8, -1).mean(-1)
            t_BK = made.t_B[:, None] if per == "row" else made.t_B[:, ::BLOCK]
            likely_BK = (noise.alpha(t_BK.double()) - 0.45).abs() < 0.15
            outside_BK = (share_BK < 0.3) | (share_BK > 0.8)
            seen += torch.stack([likely_BK.sum(), (likely_BK & outside_BK).sum()])
        demand(seen[1] == 0, f"by {per} {int(seen[1])} of {int(seen[0])} shares lie outside.")


@promise
def closing_ends_are_masked_as_one(noise: Noise) -> None:
    """`eos: as_one`: the end-of-text tokens that close a document are all masked or all visible; words are masked alone."""
    batch = plain(64, 16)
    batch.ids_BL[:, 10:] = END
    draws = Draws(seed=7, step=5, global_rows=64)
    as_one = corrupt(batch, noise, draws, MASK, eos_token_id=END).masked_BL
    alone = corrupt(batch, noise, draws, MASK).masked_BL
    closing = as_one[:, 10:].sum(1)
    demand(((closing == 0) | (closing == 6)).all(), f"of six closing ends {closing.tolist()} are masked.")
    demand(bool((closing == 0).any()) and bool((closing == 6).any()), "the closing ends are never masked, or never visible.")
    demand(torch.equal(as_one[:, :11], alone[:, :11]), "words, or the first of the ends, are masked otherwise than alone.")
