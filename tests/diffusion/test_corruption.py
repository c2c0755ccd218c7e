"""Corruption: the law of the masks, the times over the global batch, and who is never masked."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rnd1_plugins.noise.cosine import Cosine
from rnd1_plugins.noise.linear import Linear

from rnd1lib.diffusion import Draws, Times, corrupt, elbo_weight, mask_probability, uncorrupted
from rnd1lib.diffusion.times import _strata, row_times
from rnd1lib.kinds import Batch

MASK = 63


def batch(rows=8, width=32, maskable=None, seed=0):
    ids = torch.randint(0, 60, (rows, width), generator=torch.Generator().manual_seed(seed))
    everything = torch.ones_like(ids, dtype=torch.bool)
    return Batch(ids, everything if maskable is None else maskable, torch.zeros_like(ids), torch.arange(width).expand_as(ids))


@given(seed=st.integers(0, 10**9), step=st.integers(0, 10**6), cut=st.integers(1, 7))
def test_two_ranks_corrupt_what_one_does(seed, step, cut):
    whole = corrupt(batch(), Linear(), Draws(seed=seed, step=step, global_rows=8), MASK)
    for part in (slice(0, cut), slice(cut, 8)):
        rows = Batch(*(field[part] for field in batch()))
        draws = Draws(seed=seed, step=step, first_row=part.start, global_rows=8)
        for ours, theirs in zip(corrupt(rows, Linear(), draws, MASK), whole, strict=True):
            assert torch.equal(ours, theirs[part])


@given(seed=st.integers(0, 10**9))
def test_masked_means_the_mask_token_and_only_where_maskable(seed):
    maskable = torch.rand(8, 32, generator=torch.Generator().manual_seed(seed)) < 0.5
    clean = batch(maskable=maskable)
    noised = corrupt(clean, Linear(), Draws(seed=seed, step=0), MASK)
    assert not (noised.masked_BL & ~maskable).any()
    assert torch.equal(noised.ids_BL == MASK, noised.masked_BL)
    assert torch.equal(noised.ids_BL[~noised.masked_BL], clean.ids_BL[~noised.masked_BL])


@pytest.mark.parametrize("noise", [Linear(), Cosine(), Cosine(variant="mdlm")])
def test_a_row_is_masked_with_the_probability_of_its_time(noise):
    wide = batch(rows=16, width=4096)
    noised = corrupt(wide, noise, Draws(seed=1, step=0), MASK)
    expected = mask_probability(noise, noised.t_B)
    deviation = (expected * (1 - expected) / 4096).sqrt()
    assert ((noised.masked_BL.float().mean(1) - expected).abs() < 4 * deviation + 1e-6).all()
    assert torch.allclose(noised.weight_B, elbo_weight(noise, noised.t_B.double()).float())


@given(n=st.integers(1, 200), step=st.integers(0, 1000))
def test_stratified_times_put_one_row_in_each_stratum(n, step):
    times = row_times(Times(), Draws(seed=2, step=step, global_rows=n), n)
    strata = ((times.double() - 1e-3) / 0.999 * n).clamp(0, n - 1e-6).long()
    assert sorted(strata.tolist()) == list(range(n))


@settings(max_examples=20)
@given(n=st.sampled_from([64, 512, 4096]), roll=st.integers(0, 4096))
def test_any_run_of_neighbouring_rows_spans_all_times(n, roll):
    shares = _strata(n, roll).double().view(n // 32, 32).mean(1) / (n / 2)
    assert shares.max() < 1.2 and shares.min() > 0.8


@pytest.mark.parametrize("draw", ["stratified", "uniform"])
def test_times_are_uniform_over_many_steps(draw):
    times = torch.cat([row_times(Times(draw=draw), Draws(seed=0, step=step), 8) for step in range(500)])
    assert abs(times.mean() - 0.5005) < 0.02 and abs(times.var() * 12 - 0.998) < 0.06
    assert times.min() >= 1e-3 and times.max() <= 1


def test_a_row_passes_through_every_stratum_and_all_of_it_as_steps_go_by():
    times = torch.stack([row_times(Times(), Draws(seed=0, step=step, global_rows=4), 4) for step in range(200)])
    places = (times.double() - 1e-3) / 0.999 * 4
    assert all(((places.long() == stratum).float().mean(0) > 0.1).all() for stratum in range(4))
    inside = places[:, 0] % 1
    assert inside.min() < 0.1 and inside.max() > 0.9


def test_stratified_times_vary_less():
    spread = {
        draw: torch.stack([row_times(Times(draw=draw), Draws(seed=0, step=s), 16).mean() for s in range(200)]).std()
        for draw in ("stratified", "uniform")
    }
    assert spread["stratified"] < spread["uniform"] / 3


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.5, 0.5), (0.1, 1.1), (float("nan"), 1.0)])
def test_times_outside_the_unit_interval_are_refused(low, high):
    with pytest.raises(ValueError, match="low: "):
        Times(low=low, high=high)


def test_an_uncorrupted_batch_is_itself():
    noised = uncorrupted(batch())
    assert torch.equal(noised.ids_BL, batch().ids_BL) and not noised.masked_BL.any() and (noised.weight_B == 1).all()
