"""Masks with a rule of their own, at a step while they open: unequal prompts in a batch, blocks, exports."""

import pytest
import torch

import rnd1lib

MASK = 315
PROMPTS = [[5, 6, 7, 8, 9, 10, 11, 12, 13], [40], [60, 61, 62, 63]]
MASKS = {
    "annealing": {"steps": 20, "seed": 3},
    "band_annealing": {"steps": 64},
    "block_causal": {"block_length": 4},
    "block_diffusion": {"block_length": 4, "sequence_length": 8},
}


@pytest.fixture(scope="module")
def models(goldens):
    """mask -> the model under it, eight steps into its run."""
    made = {}
    for name, options in MASKS.items():
        made[name] = rnd1lib.load_model(goldens / "hf/qwen3", attention_mask={"use": name, **options}, mask_token_id=MASK)
        made[name].step = 8
        assert made[name].attention_mask.pattern(8) == "custom"
    return made


@pytest.mark.parametrize("name", MASKS)
def test_a_row_is_read_in_a_batch_as_it_is_alone_wherever_its_padding_stands(models, name):
    model = models[name]
    for pad in ("behind", "before"):
        ids_BL, documents_BL = torch.full((3, 9), 316), torch.ones(3, 9, dtype=torch.int64)
        for b, prompt in enumerate(PROMPTS):
            place = slice(0, len(prompt)) if pad == "behind" else slice(9 - len(prompt), 9)
            ids_BL[b, place], documents_BL[b, place] = torch.tensor(prompt), 0
        together_BLV = model.logits(ids_BL, documents_BL=documents_BL)
        for b, prompt in enumerate(PROMPTS):
            alone_LV = model.logits(torch.tensor([prompt]))[0]
            torch.testing.assert_close(together_BLV[b, documents_BL[b] == 0], alone_LV, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("name", MASKS)
def test_a_batch_of_unequal_prompts_is_generated_as_its_rows_are(models, name):
    options = {"sampler": "llada", "max_new_tokens": 8, "steps": 8, "block_length": 4}
    together = rnd1lib.generate(models[name], PROMPTS, **options).sequences
    assert together == [rnd1lib.generate(models[name], [prompt], **options).sequences[0] for prompt in PROMPTS]


def test_a_model_of_block_diffusion_is_sampled_as_a_block_causal_one(models):
    ids_BL = torch.randint(0, 300, (2, 30), generator=torch.Generator().manual_seed(0))
    assert torch.equal(models["block_diffusion"].logits(ids_BL), models["block_causal"].logits(ids_BL))
    prompts, answers = [[1, 2, 3, 4]], [[5, 6, 7]]
    chain = [
        rnd1lib.log_likelihood(models[name], prompts, answers, method="chain") for name in ("block_diffusion", "block_causal")
    ]
    assert torch.equal(*chain)


def test_what_is_committed_in_a_block_does_not_move_the_logits_before_it(models):
    ids_BL = torch.randint(0, 300, (1, 16), generator=torch.Generator().manual_seed(0))
    other_BL = ids_BL.clone()
    other_BL[0, 8:] = MASK
    before, after = (models["block_diffusion"].logits(ids)[0] for ids in (ids_BL, other_BL))
    torch.testing.assert_close(before[:8], after[:8], atol=1e-4, rtol=1e-5)
    assert (before[8:] - after[8:]).abs().amax(-1).min() > 0.1


def test_an_export_says_how_its_model_was_trained_and_is_read_so(models, tmp_path):
    rnd1lib.export(models["block_diffusion"], tmp_path / "out", layout="qwen3")
    read = rnd1lib.load_model(tmp_path / "out")
    assert read.attention_mask == models["block_diffusion"].attention_mask
    ids_BL = torch.arange(40)[None]
    assert torch.equal(read.logits(ids_BL), models["block_diffusion"].logits(ids_BL))
