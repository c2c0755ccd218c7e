"""Annealing opens the future at the stated rate, the band opens it from the near to the far; both end bidirectional."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rnd1_plugins.attention_masks import annealing
from rnd1_plugins.attention_masks.annealing import Annealing
from rnd1_plugins.attention_masks.band_annealing import BandAnnealing
from rnd1_plugins.attention_masks.bidirectional import Bidirectional
from rnd1_plugins.attention_masks.block_causal import BlockCausal
from rnd1_plugins.attention_masks.causal import Causal
from safetensors.torch import load_file
from torch.nn.attention.flex_attention import create_mask

from rnd1lib.diffusion import hash_uniform
from rnd1lib.models.attention import attention_masks

PACKED = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 2], [5, 5, 5, 5, 5, 5, 5, 5]])
PLACES = torch.tensor([[0, 1, 2, 0, 1, 2, 3, 0], [0, 1, 2, 3, 4, 5, 6, 7]])


def grid(mask, step, length):
    """[length, length], row = query."""
    q, kv = torch.meshgrid(torch.arange(length), torch.arange(length), indexing="ij")
    zero = torch.tensor(0)
    return mask.mask_mod(torch.tensor(step))(zero, zero, q, kv)


@given(step=st.integers(0, 30), steps=st.integers(2, 30), seed=st.integers(0, 10**6))
def test_annealing_sees_the_past_and_draws_the_rest_as_a_function_of_seed_step_and_place(step, steps, seed):
    seen = grid(Annealing(steps=steps, seed=seed), step, 12)
    for q, kv in [(0, 1), (3, 11), (10, 11), (5, 5), (11, 0)]:
        drawn = hash_uniform(seed, "opened", step, torch.tensor(q), torch.tensor(kv)) < (step + 1) / steps
        assert seen[q, kv] == (kv <= q or bool(drawn))
    assert torch.equal(seen[:7, :7], grid(Annealing(steps=steps, seed=seed), step, 7))


@pytest.mark.goldens
def test_annealing_makes_of_given_draws_what_diffullama_makes_of_them(goldens, monkeypatch):
    peer = load_file(goldens / "diffullama/golden.safetensors")
    cases = [name.removesuffix("/bernoulli") for name in peer if name.endswith("/bernoulli")]
    assert len(cases) == 17
    for case in cases:
        opened, length = peer[f"{case}/bernoulli"].bool(), len(peer[f"{case}/bernoulli"])
        monkeypatch.setattr(annealing, "hash_uniform", lambda *counters, opened=opened: 1 - opened.float())
        assert torch.equal(grid(Annealing(steps=10), 3, length), peer[f"{case}/visible"].bool())


def test_the_share_that_annealing_opens_grows_in_a_straight_line_to_all():
    future = torch.ones(256, 256, dtype=torch.bool).triu(1)
    mask = Annealing(steps=10, seed=3)
    shares = [grid(mask, step, 256)[future].double().mean().item() for step in range(10)]
    assert shares == pytest.approx([(step + 1) / 10 for step in range(10)], abs=0.01)
    assert shares[-1] == 1


@pytest.mark.parametrize("kind", [Annealing, BandAnnealing])
def test_the_pattern_is_full_from_the_last_of_its_steps_on(kind):
    assert [kind(steps=3).pattern(step) for step in range(5)] == ["custom", "custom", "full", "full", "full"]
    assert kind(steps=1).pattern(0) == "full"
    for step in (2, 7):
        assert grid(kind(steps=3), step, 40).all()
        assert attention_masks(kind(steps=3), step, None, PLACES[1:]) is None
    assert attention_masks(kind(steps=3), 1, None, PLACES[1:]) is not None


@given(steps=st.integers(1, 200))
def test_the_band_never_narrows_and_is_the_same_for_every_token(steps):
    q, kv = torch.tensor(100), torch.arange(100_000)
    widths = [int(BandAnnealing(steps=steps).mask_mod(torch.tensor(s))(q, q, q, kv).sum()) - 101 for s in range(steps)]
    assert widths == sorted(widths) and widths[-1] == 65535
    if steps >= 32:
        assert widths[0] == 0
    seen = grid(BandAnnealing(steps=steps), 0, 9)
    assert torch.equal(seen, torch.ones(9, 9, dtype=torch.bool).tril(min(widths[0], 8)))


def test_the_band_is_a_power_of_two_less_one_at_every_sixteenth_of_the_steps():
    q, kv = torch.tensor(0), torch.arange(5000)
    seen = [int(BandAnnealing(steps=16).mask_mod(torch.tensor(s))(q, q, q, kv).sum()) for s in range(12)]
    assert seen == [2 ** (s + 1) for s in range(12)]


@pytest.mark.parametrize("length", [1, 3, 8, 50])
def test_block_causal_sees_its_own_block_and_those_before(length):
    seen = grid(BlockCausal(block_length=length), 0, 10)
    plain = [[kv // length <= q // length for kv in range(10)] for q in range(10)]
    assert seen.tolist() == plain
    assert BlockCausal().pattern(10**6) == "custom"


@pytest.mark.parametrize("mask", [Annealing(steps=9), BandAnnealing(steps=20), BlockCausal(block_length=2)], ids=repr)
def test_in_packed_rows_the_rule_counts_inside_each_document_with_either_kernel(mask):
    step = 5
    dense = attention_masks(mask, step, PACKED, PLACES)
    rule = grid(mask, step, 8)
    for b in range(2):
        same = PACKED[b][:, None] == PACKED[b]
        assert torch.equal(dense[b, 0], same & rule[PLACES[b][:, None], PLACES[b]])
    blocks = attention_masks(mask, step, PACKED, PLACES, kernel="flex")
    assert torch.equal(create_mask(blocks.mask_mod, 2, 1, 8, 8, device="cpu"), dense)


def test_a_band_of_nothing_and_blocks_of_one_are_the_causal_mask():
    causal, everything = grid(Causal(), 0, 9), grid(Bidirectional(), 0, 9)
    assert torch.equal(grid(BandAnnealing(steps=100), 0, 9), causal)
    assert torch.equal(grid(BlockCausal(block_length=1), 0, 9), causal)
    assert torch.equal(grid(BlockCausal(block_length=9), 0, 9), everything)


@pytest.mark.parametrize(
    "make", [lambda: Annealing(steps=0), lambda: BandAnnealing(steps=-1), lambda: BlockCausal(block_length=0)]
)
def test_a_length_below_one_is_refused(make):
    with pytest.raises(ValueError, match=r"(steps|block_length): -?\d+ is below 1"):
        make()
