"""Block diffusion's mask against dllm's, and what sampling and packed rows make of it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rnd1_plugins.attention_masks.block_causal import BlockCausal
from rnd1_plugins.attention_masks.block_diffusion import BlockDiffusion
from safetensors.torch import load_file


def grid(mask, places, step=0):
    """[n, n], row = query, over the places given."""
    q, kv = torch.meshgrid(places, places, indexing="ij")
    zero = torch.tensor(0)
    return mask.mask_mod(torch.tensor(step))(zero, zero, q, kv)


@pytest.mark.goldens
@pytest.mark.parametrize("name", ["train_L12_b4", "train_L4_b1", "train_L4_b4", "train_L6_b3", "train_L8_b3", "train_L8_b4"])
def test_it_is_dllms_mask_bit_for_bit(goldens, name):
    length, block = (int(part[1:]) for part in name.split("_")[1:])
    mask = BlockDiffusion(block_length=block, sequence_length=length)
    theirs = load_file(goldens / "dllm/golden_bd3lm_masks.safetensors")[name].bool()
    assert torch.equal(grid(mask, torch.arange(2 * length)), theirs)
    assert mask.pattern(0) == mask.pattern(10**6) == "custom"


@given(length=st.integers(1, 20), block=st.integers(1, 25))
def test_a_noisy_token_sees_its_noisy_block_and_the_clean_blocks_before_and_no_clean_one_sees_noise(length, block):
    seen = grid(BlockDiffusion(block_length=block, sequence_length=length), torch.arange(2 * length))
    noisy, clean = slice(0, length), slice(length, None)
    for q in range(length):
        assert seen[q, noisy].tolist() == [kv // block == q // block for kv in range(length)]
        assert seen[q, clean].tolist() == [kv // block < q // block for kv in range(length)]
    assert not seen[clean, noisy].any()


@given(length=st.integers(1, 12), block=st.integers(1, 7), canvas=st.integers(1, 40))
def test_clean_places_alone_are_block_causal_on_canvases_of_any_length(length, block, canvas):
    mask = BlockDiffusion(block_length=block, sequence_length=length)
    places = torch.arange(canvas)
    assert torch.equal(grid(mask, length + places), grid(BlockCausal(block_length=block), places))


@pytest.mark.parametrize(("options", "name"), [((0, 8), "block_length"), ((4, 0), "sequence_length")])
def test_a_length_below_one_is_refused(options, name):
    with pytest.raises(ValueError, match=rf"^{name}: 0 is below 1"):
        BlockDiffusion(block_length=options[0], sequence_length=options[1])
