"""A forward pass that runs some tokens and reads the others' keys and values from a cache gives what a whole one gives."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import rnd1lib
from rnd1lib.errors import ModelError

MASK, LENGTH = 315, 12
MASKS = {
    "bidirectional": {},
    "causal": {},
    "annealing": {"steps": 20, "seed": 3},
    "band_annealing": {"steps": 64},
    "block_causal": {"block_length": 4},
    "block_diffusion": {"block_length": 4, "sequence_length": 8},
}
BLOCKS = {"causal": 1, "block_causal": 4, "block_diffusion": 4}
SHAPES = ("dense", "moe", "tied", "mixed")


@pytest.fixture(scope="module")
def folders(goldens, written_by_transformers):
    written = {shape: written_by_transformers[shape][0] for shape in ("tied", "mixed")}
    return {"dense": goldens / "hf/qwen3", "moe": goldens / "hf/qwen3_moe", **written}


@pytest.fixture(scope="module")
def model_of(folders):
    """(shape, mask) -> a model under that mask, eight steps into its run; a network is loaded once for all masks."""
    loaded = {shape: rnd1lib.load_model(folder, mask_token_id=MASK) for shape, folder in folders.items()}

    def under(shape, mask):
        model = loaded[shape]
        model.attention_mask, model.step = rnd1lib.build("attention_mask", mask, **MASKS[mask]), 8
        return model

    return under


def rows(lengths, seed=0):
    """Random ids, a third of them masked; padding behind."""
    random = torch.Generator().manual_seed(seed)
    ids_BL = torch.randint(0, 300, (len(lengths), LENGTH), generator=random)
    ids_BL[torch.rand(ids_BL.shape, generator=random) < 0.3] = MASK
    return ids_BL.masked_fill(torch.arange(LENGTH) >= torch.tensor(lengths)[:, None], 316)


def alone(model, ids_BL, lengths):
    """The logits of each row by itself: a list of [length, V]."""
    return [model.logits(ids_L[None, :length])[0] for ids_L, length in zip(ids_BL, lengths, strict=True)]


def ragged(places):
    """Lists of positions as one tensor, -1 behind."""
    width = max(map(len, places))
    return torch.tensor([[*row, *[-1] * (width - len(row))] for row in places])


def assert_equal(ours, theirs):
    """To 1e-5 of the largest logit: about 20 in these models."""
    torch.testing.assert_close(ours, theirs, atol=1e-5 * max(map(abs, theirs.flatten().tolist()), default=0), rtol=0)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("shape", SHAPES)
def test_any_tokens_run_again_give_what_a_whole_pass_gives(model_of, shape, mask):
    model, lengths = model_of(shape, mask), (12, 7, 10)
    ids_BL = rows(lengths)
    whole = alone(model, ids_BL, lengths)
    cache = model.prefill(ids_BL, lengths_B=torch.tensor(lengths))
    for b, length in enumerate(lengths):
        assert_equal(cache.logits[b, :length], whole[b])
    for of, places in (([0, 1, 2], [[3, 4, 11], [6], [0, 9]]), ([2, 0], [[1, 8], [5, 6, 7, 2]]), ([1], [list(range(7))])):
        of_B, at_BS = torch.tensor(of), ragged(places)
        again = model.extend(cache, ids_BL[of_B[:, None], at_BS.clamp(min=0)], at_BS=at_BS, of_B=of_B)
        for b, row, at_S in zip(of, again, at_BS, strict=True):
            assert_equal(row[at_S >= 0], whole[b][at_S[at_S >= 0]])


@pytest.mark.parametrize("mask", MASKS)
def test_logits_of_chosen_rows_are_those_of_all(model_of, mask):
    model, ids_BL = model_of("dense", mask), rows((12, 12))
    rows_BL = torch.rand(ids_BL.shape, generator=torch.Generator().manual_seed(2)) < 0.4
    cache = model.prefill(ids_BL, rows_BL=rows_BL)
    assert torch.equal(cache.logits, model.logits(ids_BL, rows_BL=rows_BL))
    at_BS = torch.tensor([[2, 5, 9], [0, 1, 11]])
    rows_BS = torch.tensor([[True, False, True], [False, False, True]])
    chosen_NV = model.extend(cache, ids_BL.gather(1, at_BS), at_BS=at_BS, rows_BS=rows_BS)
    assert_equal(chosen_NV, model.logits(ids_BL)[[0, 0, 1], [2, 9, 11]])


@pytest.mark.parametrize("mask", BLOCKS)
@pytest.mark.parametrize("shape", SHAPES)
def test_under_a_causal_rule_a_row_may_be_run_part_by_part(model_of, shape, mask):
    """As prompts are, and then block after block, each row from where it stands."""
    model, lengths, block = model_of(shape, mask), (12, 8, 12), BLOCKS[mask]
    ids_BL, starts = rows(lengths), (4, 4, 8)
    whole = alone(model, ids_BL, lengths)
    cache = model.prefill(ids_BL[:, :8], lengths_B=torch.tensor(starts), room=LENGTH)
    for b, start in enumerate(starts):
        assert_equal(cache.logits[b, :start], whole[b][:start])
    for step in range(8 // block):
        places = [list(range(s + step * block, min(s + (step + 1) * block, n))) for s, n in zip(starts, lengths, strict=True)]
        at_BS = ragged(places)
        more_BSV = model.extend(cache, ids_BL.gather(1, at_BS.clamp(min=0)), at_BS=at_BS)
        for b, row in enumerate(places):
            assert_equal(more_BSV[b, : len(row)], whole[b][row])


@settings(max_examples=25)
@given(
    mask=st.sampled_from(list(BLOCKS)),
    changed=st.integers(0, LENGTH - 1),
    seed=st.integers(0, 99),
)
def test_what_changes_is_seen_from_its_block_on_and_nowhere_before(model_of, mask, changed, seed):
    model, block = model_of("dense", mask), BLOCKS[mask]
    ids_BL = rows((LENGTH,), seed)
    cache = model.prefill(ids_BL)
    ids_BL[0, changed] = (ids_BL[0, changed] + 1) % 300
    at_BS = torch.arange(changed // block * block, LENGTH)[None]
    whole_LV = model.logits(ids_BL)[0]
    assert_equal(model.extend(cache, ids_BL.gather(1, at_BS), at_BS=at_BS)[0], whole_LV[at_BS[0]])
    assert_equal(cache.logits[0, : at_BS[0, 0]], whole_LV[: at_BS[0, 0]])


def test_a_stale_slot_is_what_makes_a_bidirectional_cache_approximate(model_of):
    model, ids_BL = model_of("dense", "bidirectional"), rows((LENGTH,))
    cache = model.prefill(ids_BL)
    ids_BL[0, 6] = (ids_BL[0, 6] + 1) % 300
    at_BS = torch.tensor([[6]])
    once = model.extend(cache, ids_BL[:, 6:7], at_BS=at_BS)[0, 0]
    exact = model.logits(ids_BL)[0, 6]
    assert (once - exact).abs().max() > 1e-2
    everything = torch.arange(LENGTH)[None]
    assert_equal(model.extend(cache, ids_BL, at_BS=everything)[0, 6], exact)


def test_a_model_says_behind_which_block_nothing_is_seen(model_of):
    assert {mask: model_of("dense", mask).block_length for mask in MASKS} == dict.fromkeys(MASKS) | BLOCKS


def test_room_beyond_the_networks_positions_is_refused(model_of):
    with pytest.raises(ModelError, match="128 positions"):
        model_of("tied", "causal").prefill(torch.zeros(1, 4, dtype=torch.int64), room=129)
