"""Ends of text that are masked as one: which tokens belong to a document's closing run, and by what law they go."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rnd1_plugins.noise.linear import Linear

from rnd1lib.diffusion import Draws, Times, corrupt
from rnd1lib.diffusion.closing_run import deciders
from rnd1lib.kinds import Batch

EOS, MASK = 5, 63


def batch(ids, documents=None, maskable=None):
    ids = torch.tensor(ids)
    documents = torch.zeros_like(ids) if documents is None else torch.tensor(documents)
    maskable = torch.ones_like(ids, dtype=torch.bool) if maskable is None else torch.tensor(maskable).bool()
    return Batch(ids, maskable, documents, torch.zeros_like(ids))


def random_batch(seed, rows=3, width=14):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.where(torch.rand(rows, width, generator=generator) < 0.6, EOS, 7)
    documents = (torch.rand(rows, width, generator=generator) < 0.2).long().cumsum(1)
    maskable = torch.rand(rows, width, generator=generator) < 0.85
    return Batch(ids, maskable, documents, torch.zeros_like(ids))


def decider_plainly(batch, b, i):
    """Back from i as long as all from there to the document's end are maskable ends."""
    same = (batch.documents_BL[b] == batch.documents_BL[b, i]).nonzero()[:, 0].tolist()
    ends = [bool(batch.maskable_BL[b, k] and batch.ids_BL[b, k] == EOS) for k in same]
    first = len(same)
    while first and ends[first - 1]:
        first -= 1
    return same[first] if i in same[first:] else i


@given(seed=st.integers(0, 10**6), width=st.integers(1, 14))
def test_the_first_of_a_documents_closing_run_decides_about_it_and_each_other_token_about_itself(seed, width):
    some = random_batch(seed, width=width)
    ours = deciders(some, EOS)
    assert ours.tolist() == [[decider_plainly(some, b, i) for i in range(width)] for b in range(3)]


def test_padding_prompts_and_ends_within_a_text_stay_outside():
    row = [EOS, 7, EOS, 8, EOS, EOS, EOS, EOS, EOS, EOS]
    documents = [0, 0, 0, 0, 0, 0, 1, 1, 2, 2]
    maskable = [0, 1, 1, 1, 1, 1, 0, 1, 0, 0]  # start tokens are not maskable, and the last document is padding
    assert deciders(batch([row], [documents], [maskable]), EOS).tolist() == [[0, 1, 2, 3, 4, 4, 6, 7, 8, 9]]


@given(seed=st.integers(0, 10**6), step=st.integers(0, 1000))
def test_a_run_is_masked_as_a_whole_or_not_at_all_and_all_else_as_without_it(seed, step):
    some, draws = random_batch(seed), Draws(seed=1, step=step)
    plain, as_one = (corrupt(some, Linear(), draws, MASK, eos_token_id=eos) for eos in (None, EOS))
    first = deciders(some, EOS)
    own = torch.arange(14).expand_as(first)
    assert torch.equal(as_one.masked_BL & some.maskable_BL, as_one.masked_BL)
    in_run = first != own
    assert torch.equal(as_one.masked_BL[in_run], as_one.masked_BL.gather(1, first)[in_run])
    assert torch.equal(as_one.masked_BL[~in_run], plain.masked_BL[~in_run])
    assert torch.equal(as_one.ids_BL == MASK, as_one.masked_BL)
    assert torch.equal(as_one.weight_B, plain.weight_B)


def test_a_run_goes_with_the_probability_of_one_token():
    rows, width = 4000, 8
    some = batch([[7, 7, 7, EOS, EOS, EOS, EOS, EOS]] * rows)
    noised = corrupt(some, Linear(), Draws(seed=3, step=0), MASK, Times(low=0.2999, high=0.3001), eos_token_id=EOS)
    runs = noised.masked_BL[:, 3:].sum(1)
    assert set(runs.tolist()) == {0, 5}
    assert (runs == 5).float().mean().item() == pytest.approx(0.3, abs=4 * (0.3 * 0.7 / rows) ** 0.5)
    assert noised.masked_BL.float().mean(0).tolist() == pytest.approx([0.3] * width, abs=0.03)


@given(cut=st.integers(1, 5))
def test_two_ranks_mask_the_runs_that_one_does(cut):
    some = random_batch(4, rows=6)
    whole = corrupt(some, Linear(), Draws(seed=1, step=2, global_rows=6), MASK, eos_token_id=EOS)
    for part in (slice(0, cut), slice(cut, 6)):
        draws = Draws(seed=1, step=2, first_row=part.start, global_rows=6)
        half = corrupt(Batch(*(field[part] for field in some)), Linear(), draws, MASK, eos_token_id=EOS)
        assert torch.equal(half.masked_BL, whole.masked_BL[part])
