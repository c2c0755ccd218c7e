"""What a schedule promises together with the core: who is masked, with what probability and weight, at which times."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from rnd1lib.diffusion import Draws, Times, corrupt
from rnd1lib.kinds import Batch, Noise, Noised
from rnd1lib.testing.chance import demand_law
from rnd1lib.testing.examples import MASK, packed, part, plain
from rnd1lib.testing.promise import demand, promise
from rnd1lib.testing.purity import no_process_rng, same, twice, unchanged

ROWS = 16
STRATIFIED = Times()


def noised(noise: Noise, batch: Batch, *, step: int = 5, seed: int = 7, times: Times = STRATIFIED) -> Noised:
    """The whole global batch, as one rank corrupts it."""
    return corrupt(batch, noise, Draws(seed=seed, step=step, global_rows=len(batch.ids_BL)), MASK, times)


def in_parts(noise: Noise, batch: Batch, sizes: Iterable[int]) -> Noised:
    """The same by several ranks, each of which holds some rows."""
    parts, first, rows = [], 0, len(batch.ids_BL)
    for size in sizes:
        draws = Draws(seed=7, step=5, first_row=first, global_rows=rows)
        parts.append(corrupt(part(batch, first, size), noise, draws, MASK))
        first += size
    return Noised(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))


@promise
def a_token_is_masked_with_probability_one_minus_alpha(noise: Noise) -> None:
    """Pearson's chi-square at ten times, 16 384 tokens each: masked of them ~ Binomial(n, 1 - alpha(t))."""
    batch = plain(64, 256)
    n = batch.ids_BL.numel()
    for t in torch.linspace(0.05, 0.95, 10).tolist():
        masked = noised(noise, batch, times=Times(low=t - 1e-7, high=t)).masked_BL.sum()
        clean = n * noise.alpha(torch.tensor(t, dtype=torch.float64))
        demand_law(torch.stack([masked, n - masked]), torch.stack([n - clean, clean]), f"t = {t:.2f}, masked and clean")


@promise
def the_weight_is_minus_alpha_prime_over_one_minus_alpha(noise: Noise) -> None:
    """weight(t) = -alpha'(t) / (1 - alpha(t)): finite, not negative, of this schedule and not of another."""
    made = noised(noise, plain(ROWS, 4))
    t = made.t_B.double()
    exact = -noise.alpha_prime(t) / (1 - noise.alpha(t))
    demand(made.weight_B.isfinite().all() and (made.weight_B >= 0).all(), f"weights {made.weight_B.tolist()}.")
    off = ((made.weight_B.double() - exact).abs() / (1e-3 + exact.abs())).max()
    demand(float(off) < 1e-2, f"at t = {t.tolist()} the weights are {made.weight_B.tolist()}, the schedule's {exact.tolist()}.")


@promise
def the_weighted_masks_add_up_to_what_alpha_falls(noise: Noise) -> None:
    """The mean over t of weight(t) (1 - alpha(t)) is alpha(low) - alpha(1): each token counts once in the bound."""
    rows = 4096
    made = noised(noise, plain(rows, 1))
    total = float((made.weight_B.double() * (1 - noise.alpha(made.t_B.double()))).mean())
    low, high = noise.alpha(torch.tensor([STRATIFIED.low, 1.0], dtype=torch.float64)).tolist()
    demand(
        abs(total * (1 - STRATIFIED.low) - (low - high)) < 5e-3, f"the mean is {total:.3f}, alpha falls by {low - high:.4f}."
    )


@promise
def the_prompt_is_never_masked(noise: Noise) -> None:
    """masked is a subset of maskable; the mask token stands where masked and nowhere else, all other ids are clean."""
    batch = packed(ROWS)
    made = noised(noise, batch, times=Times(low=0.98, high=1.0))
    outside = int((made.masked_BL & ~batch.maskable_BL).sum())
    demand(outside == 0, f"{outside} tokens that are not maskable are masked.")
    expected = torch.where(made.masked_BL, MASK, batch.ids_BL)
    demand(torch.equal(made.ids_BL, expected), "the noisy ids are not the mask token where masked, the clean id elsewhere.")
    demand(made.masked_BL.any(), "nothing was masked at t near 1.")


@promise
def ranks_draw_what_one_rank_draws(noise: Noise) -> None:
    """The corrupted global batch is the same on 1, 2 and 4 ranks and for any cut into micro-batches, to the last bit."""
    batch = packed(ROWS)
    whole = noised(noise, batch)
    for sizes in ([8, 8], [4, 4, 4, 4], [1] * ROWS, [3, 5, 8]):
        demand(same(whole, in_parts(noise, batch, sizes)), f"rows cut as {sizes} are corrupted otherwise.")


@promise
def corruption_is_a_function_of_seed_and_step(noise: Noise) -> None:
    """Equal bits whatever was done before and in whatever order; no generator of the process; the batch stays as it was."""
    batch = packed(ROWS)
    with no_process_rng(), unchanged(batch):
        forwards = {step: noised(noise, batch, step=step) for step in (0, 1, 2, 9)}
        backwards = {step: noised(noise, batch, step=step) for step in (9, 2, 1, 0)}
    for step, made in forwards.items():
        demand(same(made, backwards[step]), f"step {step} depends on which steps came before it.")
    one, two = twice(lambda: noised(noise, batch))
    demand(same(one, two), "the seed of the process changes the masks.")


@promise
def every_step_and_seed_masks_anew(noise: Noise) -> None:
    """Another step or another seed is another mask: two of them agree on about half of the tokens at t = 1/2."""
    batch = plain(ROWS, 64)
    level = _half_time(noise)
    masks = [noised(noise, batch, step=step, seed=seed, times=level).masked_BL for step, seed in ((0, 7), (1, 7), (0, 8))]
    for one, two in ((0, 1), (0, 2), (1, 2)):
        shared = float((masks[one] == masks[two]).float().mean())
        demand(0.4 < shared < 0.6, f"two steps or seeds agree on {shared:.0%} of the tokens.")


@promise
def rows_and_places_are_masked_independently(noise: Noise) -> None:
    """Where half of all tokens are masked, neighbours agree as often as they differ, in rows and in columns."""
    masked_BL = noised(noise, plain(64, 256), times=_half_time(noise)).masked_BL
    share = float(masked_BL.float().mean())
    for name, one, two in (
        ("places", masked_BL[:, 1:], masked_BL[:, :-1]),
        ("rows", masked_BL[1:], masked_BL[:-1]),
        ("places seven apart", masked_BL[:, 7:], masked_BL[:, :-7]),
    ):
        agree = float((one == two).float().mean())
        expected = share**2 + (1 - share) ** 2
        demand(abs(agree - expected) < 0.025, f"neighbouring {name} agree in {agree:.1%}, expected {expected:.1%}.")


@promise
def times_are_stratified_over_the_global_batch(noise: Noise) -> None:
    """Row i has t = low + (high - low) (u + s(i)) / n: one row in each n-th of [low, high], whatever the cut."""
    times = Times(low=0.2, high=0.9)
    for step in range(6):
        t_B = noised(noise, plain(ROWS, 2), step=step, times=times).t_B.double()
        stratum_B = ((t_B - 0.2) / 0.7 * ROWS).clamp(0, ROWS - 1e-3)
        demand(((t_B >= 0.2 - 1e-6) & (t_B <= 0.9 + 1e-6)).all(), f"t = {t_B.tolist()} leaves [0.2, 0.9].")
        found = sorted(int(value) for value in (stratum_B + 1e-4).floor().clamp(0, ROWS - 1))
        demand(found == list(range(ROWS)), f"the strata of 16 rows are {found}.")
    together = in_parts(noise, plain(ROWS, 2), [4] * 4).t_B
    for first in range(0, ROWS, 4):
        reach = float(together[first : first + 4].max() - together[first : first + 4].min())
        demand(reach > 0.4, f"the four rows of a rank have times within {reach:.2f} of each other.")


@promise
def times_drawn_alone_are_uniform(noise: Noise) -> None:
    """`draw: uniform`: chi-square over ten bins of [low, high] with 4 096 rows, and neighbours are independent."""
    times = Times(draw="uniform", low=0.2, high=0.9)
    t_B = noised(noise, plain(4096, 1), times=times).t_B.double()
    demand(((t_B >= 0.2 - 1e-6) & (t_B <= 0.9 + 1e-6)).all(), f"t lies in [{float(t_B.min())}, {float(t_B.max())}].")
    for name, values_B in (("times", (t_B - 0.2) / 0.7), ("differences", ((t_B[1:] - t_B[:-1]) / 0.7) % 1)):
        observed = (values_B * 10).long().clamp(0, 9).bincount(minlength=10)
        demand_law(observed, torch.full((10,), len(values_B) / 10), f"{name} in ten bins")


def _half_time(noise: Noise) -> Times:
    """The time at which half of the tokens are masked."""
    grid: Tensor = torch.linspace(0.001, 1, 1000, dtype=torch.float64)
    t = float(grid[int((noise.alpha(grid) - 0.5).abs().argmin())])
    return Times(low=t - 1e-6, high=t)
