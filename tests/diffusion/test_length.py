"""Rows of variable length: the law of the cut, what becomes of what lies behind it, and that ranks agree."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rnd1_plugins.noise.linear import Linear
from rnd1_plugins.objectives.a2d_shift import A2dShift

from rnd1lib.diffusion import Draws, VariableLength, corrupt, cut, denominator
from rnd1lib.kinds import Batch

PAD, MASK = 61, 63


def batch(rows=64, width=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, 60, (rows, width), generator=generator)
    documents = (torch.rand(rows, width, generator=generator) < 0.2).long().cumsum(1)
    starts = torch.ones_like(documents, dtype=torch.bool)
    starts[:, 1:] = documents[:, 1:] != documents[:, :-1]
    places = torch.arange(width).expand_as(ids)
    return Batch(ids, ~starts, documents, places - places.masked_fill(~starts, 0).cummax(1).values)


def lengths(before, after):
    """Of each row what is left of it: up to the first place that belongs to another document than before."""
    changed = before.documents_BL != after.documents_BL
    return torch.where(changed.any(1), changed.long().argmax(1), before.ids_BL.shape[1])


@given(seed=st.integers(0, 10**6), step=st.integers(0, 10**6), share=st.floats(0, 1), shortest=st.integers(1, 12))
def test_what_lies_behind_a_cut_is_padding_and_what_lies_before_is_untouched(seed, step, share, shortest):
    before = batch()
    after = cut(before, VariableLength(share=share, shortest=shortest), Draws(seed=seed, step=step), PAD)
    for b, length in enumerate(lengths(before, after).tolist()):
        assert shortest <= length <= 12
        for ours, theirs in zip(after, before, strict=True):
            assert ours.dtype == theirs.dtype and torch.equal(ours[b, :length], theirs[b, :length])
        assert (after.ids_BL[b, length:] == PAD).all() and not after.maskable_BL[b, length:].any()
        assert after.positions_BL[b, length:].tolist() == list(range(12 - length))
        behind = set(after.documents_BL[b, length:].tolist())
        assert len(behind) == (length < 12) and not behind & set(before.documents_BL[b].tolist())


@given(seed=st.integers(0, 10**6), first=st.integers(1, 63))
def test_two_ranks_cut_what_one_does(seed, first):
    law, before = VariableLength(share=0.5), batch()
    whole = cut(before, law, Draws(seed=seed, step=3, global_rows=64), PAD)
    for part in (slice(0, first), slice(first, 64)):
        draws = Draws(seed=seed, step=3, first_row=part.start, global_rows=64)
        half = cut(Batch(*(field[part] for field in before)), law, draws, PAD)
        assert all(torch.equal(ours, theirs[part]) for ours, theirs in zip(half, whole, strict=True))


@pytest.mark.parametrize("shortest", [1, 8])
def test_a_share_of_the_rows_is_cut_to_lengths_that_are_uniform(shortest):
    """Chi-square over the lengths that a cut leaves, and the number of cuts; a cut to the whole length leaves no trace."""
    width, rows, share = 16, 40_000, 0.25
    ids = torch.zeros(rows, width, dtype=torch.int64)
    before = Batch(ids, ids == 0, ids, torch.arange(width).expand_as(ids))
    after = cut(before, VariableLength(share=share, shortest=shortest), Draws(seed=5, step=1), PAD)
    counts = lengths(before, after).bincount(minlength=width + 1).double()
    kinds = width - shortest + 1
    expected = rows * share / kinds
    assert (counts[:shortest] == 0).all()
    shorter = counts[shortest:width]
    chi_square = ((shorter - expected) ** 2 / expected).sum().item()
    degrees = kinds - 1
    assert abs(chi_square - degrees) < 4 * (2 * degrees) ** 0.5
    mean = rows * share * (1 - 1 / kinds)
    assert abs(shorter.sum().item() - mean) < 4 * mean**0.5


def test_the_default_is_lladas_one_row_in_a_hundred():
    ids = torch.zeros(50_000, 8, dtype=torch.int64)
    before = Batch(ids, ids == 0, ids, torch.arange(8).expand_as(ids))
    share = (~cut(before, VariableLength(), Draws(seed=0, step=0), PAD).maskable_BL).any(1).double().mean().item()
    assert share == pytest.approx(0.01 * 7 / 8, rel=0.2)


def test_whether_a_row_is_cut_has_nothing_to_do_with_its_noise():
    ids = torch.zeros(20_000, 8, dtype=torch.int64)
    before = Batch(ids, ids == 0, ids, torch.arange(8).expand_as(ids))
    draws = Draws(seed=7, step=2)
    is_cut = (~cut(before, VariableLength(share=0.5), draws, PAD).maskable_BL).any(1)
    noised = corrupt(before, Linear(), draws, MASK)
    assert abs(noised.t_B[is_cut].mean() - noised.t_B[~is_cut].mean()).item() < 0.02
    assert abs(noised.masked_BL[is_cut, 0].double().mean() - noised.masked_BL[~is_cut, 0].double().mean()).item() < 0.03


@given(seed=st.integers(0, 10**6))
def test_nothing_is_asked_about_what_was_cut_off_and_the_denominator_counts_what_is_left(seed):
    before, draws = batch(seed=seed), Draws(seed=seed, step=0)
    after = cut(before, VariableLength(share=0.7), draws, PAD)
    noised = corrupt(after, Linear(), draws, MASK)
    left = torch.arange(12) < lengths(before, after)[:, None]
    assert denominator(A2dShift(), after, noised) == (before.maskable_BL & left).sum()
    scored = A2dShift().targets(after, noised).labels_BL != -100
    assert not (noised.masked_BL & ~left).any() and not (scored[:, :-1] & ~left[:, 1:]).any()


@pytest.mark.parametrize(("name", "value"), [("share", 1.5), ("share", -0.1), ("share", float("nan")), ("shortest", 0)])
def test_a_law_that_makes_no_sense_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name}: {value}"):
        VariableLength(**{name: value})
