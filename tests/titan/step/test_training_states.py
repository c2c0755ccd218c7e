"""Doubled rows: what a training step reads is what sampling sees, and its numbers are dllm's."""

import pytest
import torch
from rnd1_plugins.attention_masks.annealing import Annealing
from rnd1_plugins.attention_masks.block_causal import BlockCausal
from rnd1_plugins.attention_masks.block_diffusion import BlockDiffusion
from safetensors.torch import load_file

from rnd1lib.diffusion import IGNORE, masked_targets
from rnd1lib.kinds import Batch, Noised
from rnd1lib.models.attention import positions_in_documents
from rnd1lib.models.loading import load_model
from rnd1lib.titan.step.training_states import training_states

MASK = 315
DOCUMENTS = torch.tensor([[0] * 24, [0] * 11 + [1] * 6 + [2] * 7])
MODELS = ["hf/qwen3", "hf/qwen3_moe"]


@pytest.fixture(scope="module")
def models(goldens):
    """folder -> model, loaded once."""
    return {folder: load_model(goldens / folder, mask_token_id=MASK) for folder in MODELS}


def noisy_batch():
    generator = torch.Generator().manual_seed(0)
    ids_BL = torch.randint(0, 300, DOCUMENTS.shape, generator=generator)
    positions_BL = positions_in_documents(DOCUMENTS)
    masked_BL = (torch.rand(DOCUMENTS.shape, generator=generator) < 0.5) & (positions_BL > 0)
    return Batch(ids_BL, positions_BL > 0, DOCUMENTS, positions_BL), ids_BL.masked_fill(masked_BL, MASK)


@pytest.mark.parametrize("folder", MODELS)
@pytest.mark.parametrize("block", [1, 5, 8, 24])
@pytest.mark.parametrize("shift", [0, 1])
def test_a_training_step_reads_for_each_token_what_sampling_reads_for_it(models, folder, block, shift):
    """Sampling stands at a block: those before it are clean, its own is noisy, behind it are masks."""
    model, length = models[folder], DOCUMENTS.shape[1]
    model.shift, model.attention_mask = shift, BlockDiffusion(block_length=block, sequence_length=length)
    batch, noisy_BL = noisy_batch()
    states_BLD = training_states(model.network, model.attention_mask, 0, noisy_BL, batch, shift=shift)
    trained_BLV = model.network.get_submodule("lm_head")(states_BLD)
    compared = 0
    for b, document in [(0, 0), (1, 0), (1, 1), (1, 2)]:
        columns = (DOCUMENTS[b] == document).nonzero()[:, 0]
        clean, noisy = batch.ids_BL[b, columns], noisy_BL[b, columns]
        for start in range(0, len(columns), block):
            stop = min(start + block, len(columns))
            whole = stop == start + block  # a document ends with a short block, and then the canvas does
            behind = torch.full((30 - stop if whole else 0,), MASK)  # it may be longer than the rows of training
            canvas_L = torch.cat([clean[:start], noisy[start:stop], behind])
            sampled_LV = model.logits(canvas_L[None])[0]
            for token in range(max(start, shift), stop):
                torch.testing.assert_close(
                    trained_BLV[b, columns[token] - shift], sampled_LV[token - shift], atol=1e-4, rtol=1e-5
                )
                compared += 1
    assert compared == 48 - 4 * shift


def test_no_noisy_token_of_another_block_and_no_clean_one_of_its_own_plays_a_part(models):
    model, length = models["hf/qwen3"], DOCUMENTS.shape[1]
    mask = BlockDiffusion(block_length=6, sequence_length=length)
    batch, noisy_BL = noisy_batch()
    before = training_states(model.network, mask, 0, noisy_BL, batch, shift=0)
    own, other = noisy_BL.clone(), batch.ids_BL.clone()
    own[0, 6:12], other[0, 6:12] = 7, 7
    after = training_states(model.network, mask, 0, own, batch, shift=0)
    moved_L = (after - before).abs().amax(-1)[0] > 0
    assert moved_L.nonzero()[:, 0].tolist() == list(range(6, 12))
    after = training_states(model.network, mask, 0, noisy_BL, batch._replace(ids_BL=other), shift=0)
    moved_L = (after - before).abs().amax(-1)[0] > 0
    assert moved_L.nonzero()[:, 0].tolist() == list(range(12, 24))


@pytest.mark.parametrize("mask", [Annealing(steps=9), BlockCausal(block_length=4)], ids=repr)
def test_any_other_mask_reads_the_row_as_it_is(models, mask):
    model = models["hf/qwen3"]
    model.attention_mask, model.step = mask, 3
    batch, noisy_BL = noisy_batch()
    states_BLD = training_states(model.network, mask, 3, noisy_BL, batch, shift=1)
    whole_BLV = model.logits(noisy_BL, documents_BL=DOCUMENTS)
    torch.testing.assert_close(model.network.get_submodule("lm_head")(states_BLD), whole_BLV)


@pytest.mark.goldens
@pytest.mark.parametrize(("case", "block", "shift"), [("real_bd3lm_b4", 4, 0), ("real_bd3lm_b5_shift", 5, 1)])
def test_loss_and_gradients_are_dllms(goldens, case, block, shift):
    """dllm shifts inside the noisy half, where the row in front of a block is one that sampling never sees.

    Read there its loss is ours to the last digits; read where sampling reads it, as we do, it is 2 % lower.
    """
    peer = load_file(goldens / "dllm/golden_loss.safetensors")
    noisy_BL, clean_BL = peer[f"{case}/model_input_ids"].chunk(2, dim=1)
    labels_BL = peer["real/labels"]
    labels_BL = torch.cat([torch.full((2, noisy_BL.shape[1] - labels_BL.shape[1]), IGNORE), labels_BL], dim=1)
    positions_BL = torch.arange(noisy_BL.shape[1]).expand_as(noisy_BL)
    batch = Batch(clean_BL, labels_BL != IGNORE, torch.zeros_like(noisy_BL), positions_BL)
    t_B = 1e-3 + (1 - 1e-3) * peer[f"{case}/u_t"]
    noised = Noised(noisy_BL, (noisy_BL == MASK) & batch.maskable_BL, t_B, 1 / (t_B + 1e-6))
    targets = masked_targets(batch, noised, shift=shift, weight="schedule", normalise="maskable")
    model = load_model(goldens / "hf/qwen3", mask_token_id=MASK)
    model.network.requires_grad_(True)
    mask = BlockDiffusion(block_length=block, sequence_length=noisy_BL.shape[1])
    scored_BL = targets.labels_BL != IGNORE

    def loss(read):
        states_BLD = training_states(model.network, mask, 0, noisy_BL, batch, shift=read)
        head = model.network.get_submodule("lm_head")
        summed = head(states_BLD[scored_BL], labels=targets.labels_BL[scored_BL], weights=targets.weights_BL[scored_BL])
        return summed / batch.maskable_BL.sum()

    as_dllm_reads = loss(0)
    as_dllm_reads.backward()
    ours = dict(model.network.named_parameters())
    for name, parameter in (
        ("norm.weight", "norm.weight"),
        ("layers.0.feed_forward.w2.weight", "layers.0.mlp.down_proj.weight"),
    ):
        torch.testing.assert_close(ours[name].grad, peer[f"{case}/grad/model.{parameter}"], atol=1e-5, rtol=1e-4)
    if shift:
        assert as_dllm_reads.item() == pytest.approx(14.54755687713623, rel=1e-6)
        assert loss(1).item() == pytest.approx(14.3087, rel=1e-4)
