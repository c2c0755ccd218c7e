"""Times a block, and masks that are drawn again: their laws, and that ranks agree on both."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rnd1_plugins.noise.linear import Linear

from rnd1lib.diffusion import Draws, Times, corrupt, elbo_weight, masked_targets
from rnd1lib.diffusion.corruption import ATTEMPTS
from rnd1lib.diffusion.times import block_starts, block_times, row_times
from rnd1lib.kinds import Batch

MASK, ROWS, WIDTH = 63, 8, 32


def packed(lengths=(11, 1, 13, 7), rows=ROWS, maskable=None):
    """Rows of several documents; the first token of each is not maskable."""
    documents = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths)).expand(rows, -1)
    positions = torch.cat([torch.arange(length) for length in lengths]).expand(rows, -1)
    ids = torch.randint(0, 60, documents.shape, generator=torch.Generator().manual_seed(0))
    return Batch(ids, positions > 0 if maskable is None else maskable, documents, positions)


def blocks_of(batch, block_length):
    """(row, its columns) for each block of each document, by definition."""
    for b in range(len(batch.ids_BL)):
        for document in batch.documents_BL[b].unique().tolist():
            columns = (batch.documents_BL[b] == document).nonzero()[:, 0]
            yield from ((b, columns[start : start + block_length]) for start in range(0, len(columns), block_length))


@pytest.mark.parametrize("draw", ["stratified", "uniform"])
@given(block_length=st.integers(1, 40), seed=st.integers(0, 10**6))
def test_the_tokens_of_a_block_share_a_time_and_no_two_blocks_do(draw, block_length, seed):
    batch = packed()
    times = Times(draw=draw, per="block", low=0.1, high=0.7)
    noised = corrupt(batch, Linear(), Draws(seed=seed, step=3), MASK, times, block_length=block_length)
    assert noised.t_B.shape == noised.weight_B.shape == batch.ids_BL.shape
    assert noised.t_B.dtype == torch.float32 and noised.t_B.min() >= 0.1 and noised.t_B.max() <= 0.7
    assert torch.allclose(noised.weight_B, elbo_weight(Linear(), noised.t_B))
    drawn = [noised.t_B[b, columns].unique() for b, columns in blocks_of(batch, block_length)]
    assert all(len(each) == 1 for each in drawn)
    assert len(torch.cat(drawn).unique()) > ROWS
    if draw == "stratified":
        assert len(torch.cat(drawn).unique()) == len(drawn)


@pytest.mark.parametrize("redraw", [False, True])
@given(seed=st.integers(0, 10**9), step=st.integers(0, 10**6), cut=st.integers(1, 7))
@settings(max_examples=40)
def test_two_ranks_corrupt_what_one_does(redraw, seed, step, cut):
    for times in (Times(per="block", low=0.3, high=0.8, redraw=redraw), Times(low=0.45, high=0.55, redraw=redraw)):
        whole = corrupt(packed(), Linear(), Draws(seed=seed, step=step, global_rows=ROWS), MASK, times, block_length=4)
        for part in (slice(0, cut), slice(cut, ROWS)):
            rows = Batch(*(field[part] for field in packed()))
            draws = Draws(seed=seed, step=step, first_row=part.start, global_rows=ROWS)
            again = corrupt(rows, Linear(), draws, MASK, times, block_length=4)
            assert all(torch.equal(ours, theirs[part]) for ours, theirs in zip(again, whole, strict=True))


@given(n=st.integers(1, 60), step=st.integers(0, 1000), k=st.integers(0, 7))
def test_the_kth_blocks_of_all_rows_have_a_stratum_each(n, step, k):
    starts = block_starts(torch.arange(WIDTH).expand(n, WIDTH), 4)
    times = block_times(Times(per="block"), Draws(seed=2, step=step, global_rows=n), starts)[:, 4 * k].double()
    places = ((times - 1e-3) / 0.999 * n).sort().values
    gaps = torch.cat([places, places[:1] + n]).diff()  # on a circle, since a golden ratio moves a stratum's border
    assert torch.allclose(gaps, torch.ones_like(gaps), atol=1e-3)


@pytest.mark.parametrize("draw", ["stratified", "uniform"])
def test_each_block_alone_is_uniform_over_the_steps(draw):
    starts = block_starts(packed().positions_BL, 4)
    times = torch.stack([block_times(Times(draw=draw, per="block"), Draws(seed=0, step=s), starts) for s in range(600)])
    for column in (0, 4, 11, 12, 20, 25):
        t = times[:, :, column].flatten()
        assert abs(t.mean() - 0.5005) < 0.02 and abs(t.var() * 12 - 0.998) < 0.06


def test_each_row_alone_is_uniform_over_the_steps():
    draws = (Draws(seed=0, step=step, global_rows=ROWS) for step in range(1200))
    times = torch.stack([row_times(Times(), each, ROWS) for each in draws]).double()
    assert (times.mean(0) - 0.5005).abs().max() < 0.04 and (times.var(0) * 12 - 0.998).abs().max() < 0.1


def test_the_blocks_of_a_row_spread_over_all_times():
    starts = block_starts(torch.arange(256).expand(4, 256), 4)
    times = block_times(Times(per="block"), Draws(seed=0, step=7, global_rows=4), starts)[:, ::4]
    assert (times.mean(1) - 0.5).abs().max() < 0.02 and times.sort().values.diff(dim=1).max() < 0.03


@pytest.mark.parametrize("per", ["row", "block"])
@given(seed=st.integers(0, 10**6))
@settings(max_examples=40)
def test_a_mask_is_drawn_again_until_its_share_lies_in_the_band(per, seed):
    batch = packed(lengths=(16, 16))
    times = Times(per=per, low=0.25, high=0.75, redraw=True)
    plain, again = (
        corrupt(batch, Linear(), Draws(seed=seed, step=0), MASK, each, block_length=8)
        for each in (Times(per=per, low=0.25, high=0.75), times)
    )
    assert torch.equal(plain.t_B, again.t_B) and torch.equal(plain.weight_B, again.weight_B)
    assert not (again.masked_BL & ~batch.maskable_BL).any()
    where = blocks_of(batch, 8) if per == "block" else ((b, torch.arange(WIDTH)) for b in range(ROWS))
    for b, columns in where:
        before, after = (
            each.masked_BL[b, columns].sum().item() / batch.maskable_BL[b, columns].sum().item() for each in (plain, again)
        )
        assert 0.25 <= after <= 0.75
        if 0.25 <= before <= 0.75:
            assert torch.equal(plain.masked_BL[b, columns], again.masked_BL[b, columns])


def test_a_band_that_no_mask_can_hit_ends_after_a_number_of_attempts(monkeypatch):
    streams, plain = [], Draws.uniform
    monkeypatch.setattr(Draws, "uniform", lambda self, *args, **more: streams.append(args[0]) or plain(self, *args, **more))
    maskable = torch.zeros(ROWS, WIDTH, dtype=torch.bool)
    maskable[:, 5] = True
    times = Times(low=0.3, high=0.8, redraw=True)
    noised = corrupt(packed(maskable=maskable), Linear(), Draws(seed=0, step=0), MASK, times)
    assert len(set(streams)) == len(streams) == ATTEMPTS
    assert noised.masked_BL[:, 5].any() and not noised.masked_BL[:, 5].all()


def test_rows_without_anything_maskable_are_not_drawn_again(monkeypatch):
    streams, plain = [], Draws.uniform
    monkeypatch.setattr(Draws, "uniform", lambda self, *args, **more: streams.append(args[0]) or plain(self, *args, **more))
    nothing = torch.zeros(ROWS, WIDTH, dtype=torch.bool)
    times = Times(low=0.3, redraw=True)
    assert not corrupt(packed(maskable=nothing), Linear(), Draws(seed=0, step=0), MASK, times).masked_BL.any()
    assert streams == ["mask"]


@pytest.mark.parametrize("shift", [0, 1])
def test_each_token_has_the_weight_of_its_block(shift):
    batch = packed()
    noised = corrupt(batch, Linear(), Draws(seed=1, step=0), MASK, Times(per="block"), block_length=4)
    targets = masked_targets(batch, noised, shift=shift, weight="schedule", normalise="maskable")
    for b, i in noised.masked_BL.nonzero().tolist():
        assert targets.weights_BL[b, i - shift].item() == pytest.approx(1 / noised.t_B[b, i].item(), rel=1e-6)
        assert targets.labels_BL[b, i - shift] == batch.ids_BL[b, i]
    assert (targets.weights_BL > 0).sum() == noised.masked_BL.sum()


def test_times_a_block_need_a_block():
    with pytest.raises(ValueError, match=r"^block_length: missing"):
        corrupt(packed(), Linear(), Draws(seed=0, step=0), MASK, Times(per="block"))


@given(seed=st.integers(0, 10**6), ends=st.integers(1, 12))
@settings(max_examples=40)
def test_ends_that_are_masked_as_one_have_the_time_of_their_first_whatever_blocks_they_span(seed, ends):
    end, batch = 61, packed(lengths=(20, 12))
    batch.ids_BL[:, 20 - ends : 20] = end
    times = Times(per="block", low=0.25, high=0.75, redraw=True)
    noised = corrupt(batch, Linear(), Draws(seed=seed, step=0), MASK, times, block_length=4, eos_token_id=end)
    for values_BL in (noised.masked_BL, noised.t_B, noised.weight_B):
        run_BE = values_BL[:, 20 - ends : 20]
        assert (run_BE == run_BE[:, :1]).all()
    first = 20 - ends
    assert (noised.t_B[:, first] == noised.t_B[:, first // 4 * 4]).all()
