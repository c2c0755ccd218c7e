"""Losses with given times, masks and logits against the peers' own: every case of theirs is equal, or it is said why not."""

import json
from typing import NamedTuple

import pytest
import torch
from rnd1_plugins.noise.cosine import Cosine
from rnd1_plugins.noise.cosine_squared import CosineSquared
from rnd1_plugins.noise.geometric import Geometric
from rnd1_plugins.noise.linear import Linear
from rnd1_plugins.noise.log_linear import LogLinear
from rnd1_plugins.objectives.a2d_shift import A2dShift
from rnd1_plugins.objectives.mdlm import Mdlm
from safetensors.torch import load_file

from rnd1lib.diffusion import cross_entropy, denominator, elbo_weight
from rnd1lib.kinds import Batch, Noised

pytestmark = pytest.mark.goldens


class Case(NamedTuple):
    """logits [B, L, V], clean ids, what may be masked and what is, and the weight of the bound."""

    logits: torch.Tensor
    ids: torch.Tensor
    maskable: torch.Tensor
    masked: torch.Tensor
    weight: torch.Tensor


def per_token(objective, case, mask_token_id):
    """[B, L] weighted cross entropies at the logit rows, and the denominator."""
    places = torch.arange(case.ids.shape[1]).expand(case.ids.shape)
    batch = Batch(case.ids, case.maskable, torch.zeros_like(case.ids), places)
    noisy = case.ids.masked_fill(case.masked, mask_token_id)
    noised = Noised(noisy, case.masked, 1 / case.weight.float(), case.weight.float())
    targets = objective.targets(batch, noised)
    scored = (targets.labels_BL != -100) & (targets.weights_BL != 0)
    rows_BL = torch.zeros(case.ids.shape)
    nll = cross_entropy(case.logits[:, : case.ids.shape[1]][scored], targets.labels_BL[scored], None)
    rows_BL[scored] = nll * targets.weights_BL[scored]
    return rows_BL, denominator(objective, batch, noised)


def loss(objective, case, mask_token_id=39):
    rows_BL, count = per_token(objective, case, mask_token_id)
    return (rows_BL.sum() / count).item()


def cases(path, prefix=""):
    return {case["name"]: case for case in json.loads(path.read_text())["cases"] if case["name"].startswith(prefix)}


DIFFULLAMA = ["loss_shift", "loss_shift_annealed", "loss_shift_src"]
DIFFULLAMA_OTHERS = {"loss_all_source": "nothing is masked: theirs is 0 / 0, ours 0, so that an empty batch moves no weight"}


@pytest.mark.parametrize("name", DIFFULLAMA)
def test_diffullamas_loss_is_a2d_shift_over_the_masked_tokens(goldens, name):
    """It may mask position 0 in the input and drops that loss; here position 0 is not maskable."""
    peer, said = load_file(goldens / "diffullama/golden.safetensors"), cases(goldens / "diffullama/golden.json")[name]
    masked = peer[f"{name}/x_t"] == 39
    maskable = ~peer["loss/src_mask"].bool() if said["src_mask"] else torch.ones_like(masked)
    maskable[:, 0] = masked[:, 0] = False
    case = Case(peer["loss/logits"], peer["loss/input_ids"], maskable, masked, 1 / peer[f"{name}/t"])
    assert loss(A2dShift(normalise="masked"), case) == pytest.approx(said["loss"], rel=1e-5)
    plain = A2dShift(normalise="masked", weight="uniform")
    assert loss(plain, case) == pytest.approx(said["unweighted_loss"], rel=1e-5)


def test_a_batch_without_masked_tokens_has_no_loss_where_diffullama_divides_by_zero(goldens):
    peer = load_file(goldens / "diffullama/golden.safetensors")
    nothing = torch.zeros(3, 12, dtype=torch.bool)
    case = Case(peer["loss/logits"], peer["loss/input_ids"], nothing, nothing, torch.ones(3))
    assert per_token(A2dShift(normalise="masked"), case, 39)[0].sum() == 0


MDLM = {
    "loglinear_antithetic": LogLinear(eps=1e-3),
    "loglinear_plain": LogLinear(eps=1e-3),
    "cosine": Cosine(variant="mdlm", eps=1e-3),
    "cosinesqr": CosineSquared(eps=1e-3),
    "geometric": Geometric(sigma_min=1e-4, sigma_max=20.0),
}
CHANGED = "a change of variables makes the weight the constant -log(1 - exp(-sigma_min)): `weight: uniform`, up to it"
DISCRETE = "a bound in T discrete steps, whose weights are no property of a schedule; ours is the bound in continuous time"
MDLM_OTHERS = {
    "loglinear_importance": CHANGED,
    "loglinear_cov": CHANGED,
    "loglinear_T100": DISCRETE,
    "loglinear_T1": DISCRETE,
    "loglinear_T10_d3pm": DISCRETE,
    "linear": "its linear schedule is linear in sigma; ours is linear in alpha, as in LLaDA and Dream",
    "ddpm": "a sampling step, no loss",
}


def mdlm_case(peer, name, weight):
    logits = peer["logits"].index_fill(-1, torch.tensor(29), -1e6)  # SUBS, as it stands there
    maskable = peer["attention_mask"].bool()
    return Case(logits, peer["x0"], maskable, (peer[f"{name}/xt"] == 29) & maskable, weight)


@pytest.mark.parametrize("name", MDLM)
def test_mdlms_loss_is_mdlm_with_its_schedule_token_by_token(goldens, name):
    peer, said = load_file(goldens / "mdlm/golden.safetensors"), cases(goldens / "mdlm/golden.json")
    case = mdlm_case(peer, name, elbo_weight(MDLM[name], peer[f"{name}/t"].double()))
    rows_BL, count = per_token(Mdlm(), case, 29)
    torch.testing.assert_close(rows_BL, peer[f"{name}/nlls"], rtol=1e-4, atol=1e-5)
    if name in said:
        assert (rows_BL.sum() / count).item() == pytest.approx(said[name]["loss"], rel=1e-4)


@pytest.mark.parametrize("name", ["loglinear_importance", "loglinear_cov"])
def test_mdlms_loss_after_a_change_of_variables_is_the_uniform_weight_times_a_constant(goldens, name):
    peer = load_file(goldens / "mdlm/golden.safetensors")
    case = mdlm_case(peer, name, torch.ones(3))
    rows_BL, _ = per_token(Mdlm(weight="uniform"), case, 29)
    ratio = (peer[f"{name}/nlls"] / rows_BL)[case.masked]
    sigma_min = torch.tensor(1e-3, dtype=torch.float64)
    assert ratio.tolist() == pytest.approx([-torch.log1p(-torch.exp(-sigma_min)).item()] * len(ratio), rel=1e-3)


DLLM = ["scheduler_token", "scheduler_sequence", "uniform_token", "uniform_sequence", "cosine_token", "shift_no_bos"]
DLLM_OTHERS = {
    "mdlm_scheduler_batch": "divided by the rows alone, so that a longer row counts for more: ours by their ratio",
    "real": "whole models, in tests/models/test_gradients_of_others.py",
    "real_bd3lm": "block diffusion, in tests/titan/step/test_training_states.py",
}


def dllm_case(peer, name, labels, *, eps=1e-3, noise=None):
    t = eps + (1 - eps) * peer[f"{name}/u_t"].double()
    maskable = peer[labels] != -100
    masked = (peer[f"{name}/noised"] == 39) & maskable
    return Case(peer["logits13"], peer["input_ids"], maskable, masked, elbo_weight(noise or Linear(), t))


@pytest.mark.parametrize("name", DLLM)
def test_dllms_losses_are_ours(goldens, name):
    peer = load_file(goldens / "dllm/golden_loss.safetensors")
    said = cases(goldens / "dllm/golden_loss.json").get(f"mdlm_{name}")
    labels = said["labels"] if said else "labels"
    noise = Cosine(variant="md4", eps=0.0) if name.startswith("cosine") else Linear()
    kind = A2dShift if "shift" in name else Mdlm
    normalise = "answer" if name.endswith("sequence") else "maskable"
    objective = kind(weight="uniform" if name.startswith("uniform") else "schedule", normalise=normalise)
    case = dllm_case(peer, f"mdlm_{name}", labels, noise=noise)
    if said:
        assert loss(objective, case) == pytest.approx(said["loss"], rel=1e-5)
    drawn = (peer[f"mdlm_{name}/u_mask"] < 1 - noise.alpha(0.001 + 0.999 * peer[f"mdlm_{name}/u_t"])[:, None]) & case.maskable
    assert torch.equal(drawn, case.masked)


def test_dllms_batch_norm_is_ours_times_the_maskable_tokens_a_row(goldens):
    peer, said = load_file(goldens / "dllm/golden_loss.safetensors"), cases(goldens / "dllm/golden_loss.json")
    case = dllm_case(peer, "mdlm_scheduler_batch", "labels")
    a_row = case.maskable.sum().item() / 3
    assert loss(Mdlm(), case) * a_row == pytest.approx(said["mdlm_scheduler_batch"]["loss"], rel=1e-5)


def test_every_case_of_theirs_is_equal_or_explained(goldens):
    explained = [*DIFFULLAMA, *DIFFULLAMA_OTHERS, *MDLM, *MDLM_OTHERS, *(f"mdlm_{name}" for name in DLLM), *DLLM_OTHERS]
    files = {"diffullama/golden": "loss", "mdlm/golden": "", "dllm/golden_loss": ""}
    found = [name for file, prefix in files.items() for name in cases(goldens / f"{file}.json", prefix)]
    assert len(found) >= 20
    assert not [name for name in found if not any(name == each or name.startswith(f"{each}_") for each in explained)]
