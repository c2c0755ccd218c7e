"""Counter-based randomness: who asks plays no part, and the numbers are uniform."""

import subprocess
import sys

import torch
from hypothesis import given
from hypothesis import strategies as st

from rnd1lib.diffusion import Draws, hash_uniform

SEEDS = st.integers(min_value=-(2**63), max_value=2**64 - 1)


@given(seed=SEEDS, step=st.integers(0, 2**40), cut=st.integers(0, 6), width=st.integers(1, 9))
def test_rows_drawn_in_parts_are_those_drawn_at_once(seed, step, cut, width):
    whole = Draws(seed=seed, step=step).uniform("mask", 6, width)
    top = Draws(seed=seed, step=step).uniform("mask", cut, width)
    rest = Draws(seed=seed, step=step, first_row=cut).uniform("mask", 6 - cut, width)
    assert torch.equal(torch.cat([top, rest]), whole)


def test_a_longer_row_begins_like_a_shorter_one():
    draws = Draws(seed=1, step=2)
    assert torch.equal(draws.uniform("mask", 3, 50)[:, :20], draws.uniform("mask", 3, 20))


def test_numbers_are_uniform_and_independent_between_rows_columns_steps_streams_and_seeds():
    first = Draws(seed=0, step=0).uniform("mask", 400, 400).double()
    assert first.min() >= 0 and first.max() < 1
    assert abs(first.mean() - 0.5) < 4 * (1 / 12 / 160_000) ** 0.5
    counts = (first * 100).long().flatten().bincount(minlength=100).double()
    chi_square = ((counts - 1600) ** 2 / 1600).sum()
    assert 50 < chi_square < 160  # 99 degrees of freedom
    others = {
        "row": first.roll(1, 0),
        "column": first.roll(1, 1),
        "step": Draws(seed=0, step=1).uniform("mask", 400, 400).double(),
        "stream": Draws(seed=0, step=0).uniform("times", 400, 400).double(),
        "seed": Draws(seed=1, step=0).uniform("mask", 400, 400).double(),
    }
    for name, other in others.items():
        correlation = ((first - 0.5) * (other - 0.5)).mean() * 12
        assert abs(correlation) < 4 / 400, name


def test_the_process_rng_plays_no_part_and_is_left_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    drawn = Draws(seed=3, step=4).uniform("mask", 2, 5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(Draws(seed=3, step=4).uniform("mask", 2, 5), drawn)


def test_the_bits_are_those_of_the_first_release():
    """A change of the hash would silently change every resumed run."""
    assert Draws(seed=7, step=3, first_row=5).integers("mask", 1, 4, 2**31 - 1).tolist() == [
        [1458274119, 1680575702, 1209388016, 120443045]
    ]


@given(seed=SEEDS, n=st.integers(1, 300))
def test_a_permutation_holds_every_number_once(seed, n):
    assert sorted(Draws(seed=seed, step=0).permutation("rows", n).tolist()) == list(range(n))


def test_integers_lie_in_range_and_take_every_value_alike():
    drawn = Draws(seed=0, step=0).integers("length", 200, 200, 7)
    counts = drawn.flatten().bincount(minlength=7)
    assert len(counts) == 7 and (counts.double() / 40_000 - 1 / 7).abs().max() < 0.01


def test_one_number_for_the_whole_step_is_the_same_on_every_rank():
    assert Draws(seed=5, step=9).once("u") == Draws(seed=5, step=9, first_row=512, global_rows=1024).once("u")
    assert Draws(seed=5, step=9).once("u") != Draws(seed=5, step=10).once("u")


def test_hash_uniform_broadcasts_over_its_indices():
    q, kv = torch.arange(4)[:, None], torch.arange(6)[None]
    grid = hash_uniform(0, "annealing", 3, q, kv)
    assert grid.shape == (4, 6) and grid.dtype == torch.float32
    assert grid[2, 5] == hash_uniform(0, "annealing", 3, torch.tensor(2), torch.tensor(5))


def test_the_mathematics_imports_torch_without_its_compiler():
    """Which takes longer to import than torch; `models/network/test_flex.py` holds that draws are compiled all the same."""
    reached = "import sys, torch; before = 'torch._dynamo' in sys.modules; import rnd1lib.diffusion"
    said = f"{reached}; print(before, 'torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", said], capture_output=True, text=True).stdout.split() == ["False", "False"]
