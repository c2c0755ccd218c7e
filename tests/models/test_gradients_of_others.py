"""A whole model's loss and gradients against dllm's trainer on the same weights: network, objective and head at once."""

import json
import math

import pytest
import torch
from rnd1_plugins.attention_masks.bidirectional import Bidirectional
from rnd1_plugins.models.qwen3 import Qwen3
from rnd1_plugins.noise.linear import Linear
from rnd1_plugins.objectives.a2d_shift import A2dShift
from rnd1_plugins.objectives.mdlm import Mdlm
from safetensors.torch import load_file

import rnd1lib
from rnd1lib.diffusion import denominator, elbo_weight
from rnd1lib.kinds import Batch, Noised
from rnd1lib.models.attention import attention_masks
from rnd1lib.models.config.tensor_names import MASK_ROW, TABLE
from rnd1lib.models.weights import parameters

MASK, START = 315, 314
OBJECTIVES = {
    "real_mdlm": Mdlm(),
    "real_mdlm_uniform_sequence": Mdlm(weight="uniform", normalise="answer"),
    "real_mdlm_shift": A2dShift(),
}


def batch_of(peer, name):
    """Clean and noisy rows; padding is a document of its own. Theirs may put a start token in front."""
    ids, labels, visible = (peer[f"real/{part}"] for part in ("input_ids", "labels", "attention_mask"))
    noisy = peer[f"{name}/model_input_ids"]
    if noisy.shape[1] > ids.shape[1]:
        front = torch.ones_like(ids[:, :1])
        pairs = ((START * front, ids), (-100 * front, labels), (front, visible))
        ids, labels, visible = (torch.cat(pair, 1) for pair in pairs)
    maskable, documents = labels != -100, 1 - visible
    positions = torch.arange(ids.shape[1]).expand_as(ids)
    t = 1e-3 + (1 - 1e-3) * peer[f"{name}/u_t"].double()
    noised = Noised(noisy, (noisy == MASK) & maskable, t.float(), elbo_weight(Linear(), t).float())
    return Batch(ids, maskable, documents, positions), noised


def loss_and_gradients(model, objective, batch, noised):
    """The loss, and the gradients by Hugging Face's names; the mask token's row lies in its table."""
    network = model.network.requires_grad_(True)
    targets = objective.targets(batch, noised)
    scored = (targets.labels_BL != -100) & (targets.weights_BL != 0)
    seen = attention_masks(Bidirectional(), 0, batch.documents_BL, batch.positions_BL)
    hidden = network(noised.ids_BL, positions=batch.positions_BL, attention_masks=seen)
    summed = network.lm_head(hidden[scored], labels=targets.labels_BL[scored], weights=targets.weights_BL[scored])
    loss = summed / denominator(objective, batch, noised)
    loss.backward()
    ours = parameters(network)
    gradients = {source.tensors[0]: ours[source.parameter].grad for source in Qwen3().tensors(model.config)}
    table = next(source.tensors[0] for source in Qwen3().tensors(model.config) if source.parameter == TABLE)
    gradients[table] = gradients[table].clone()
    gradients[table][MASK] += ours[MASK_ROW].grad
    return loss.item(), gradients


@pytest.mark.goldens
@pytest.mark.parametrize("name", OBJECTIVES)
def test_loss_and_every_gradient_are_dllms(goldens, name):
    peer = load_file(goldens / "dllm/golden_loss.safetensors")
    said = {case["name"]: case for case in json.loads((goldens / "dllm/golden_loss.json").read_text())["cases"]}.get(name)
    objective = OBJECTIVES[name]
    model = rnd1lib.load_model(goldens / "hf/qwen3", attention_mask="bidirectional", shift=objective.shift, mask_token_id=MASK)
    loss, gradients = loss_and_gradients(model, objective, *batch_of(peer, name))
    kept = [key for key in peer if key.startswith(f"{name}/grad/")]
    assert len(kept) == 5
    for key in kept:
        theirs = peer[key]
        torch.testing.assert_close(
            gradients[key.removeprefix(f"{name}/grad/")], theirs, rtol=1e-3, atol=1e-4 * theirs.abs().max()
        )
    if said:
        norms = {tensor: gradient.norm().item() for tensor, gradient in gradients.items()}
        assert loss == pytest.approx(said["loss"], rel=1e-5)
        assert len(norms) > 20 and said["grad_norms"] == pytest.approx(
            {name: norms[name] for name in said["grad_norms"]}, rel=1e-4
        )
        assert math.hypot(*norms.values()) == pytest.approx(said["total_grad_norm"], rel=1e-4)
