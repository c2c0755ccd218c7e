"""Token for token what RND1's, LLaDA's and dllm's own code gave on the TableModel, wherever that is well defined."""

import json
from pathlib import Path

import pytest
import torch
from rnd1_plugins.samplers.llada import Llada
from rnd1_plugins.samplers.rnd1_entropy import Rnd1Entropy
from safetensors.torch import load_file

from rnd1lib.sampling.generation import generate, infill

pytestmark = pytest.mark.goldens
GOLDENS = Path(__file__).parents[1] / "goldens"
NO_COUNTERPART = {
    "rnd1": {"temp0.7", "temp2.0", "mask_in_prefix"},  # greedy tokens under tempered entropies; mask ids that stay
    "llada": {"mask_in_prompt", "mask_in_prompt_1block", "mask_predicted"},  # mask ids that stay
    "dllm": {
        "table_cosine", "table_cfg1.5_keep", "table_suppress", "table_begin_suppress", "table_mask_predicted",
        "table_mask_in_prompt", "table_infill_shift",
    },
}  # fmt: skip


def comparable(peer, file):
    cases = json.loads((GOLDENS / peer / file).read_text())["cases"]
    found = [case for case in cases if case.get("comparable") and not case["error"]]
    return [case for case in found if case["name"] not in NO_COUNTERPART[peer]]


RND1 = comparable("rnd1", "golden_sample_table.json")
LLADA = comparable("llada", "golden_generate.json")
DLLM = [case for case in comparable("dllm", "golden_samplers.json") if case["model"] == "table_b"]


def same_text(ours, theirs, ends=(62,)):
    """Equal up to the end-of-text, behind which we give nothing."""
    return ours == theirs[: len(ours)] and (len(ours) == len(theirs) or ours[-1] in ends or theirs[len(ours)] in ends)


def test_the_cases_are_here():
    assert (len(RND1), len(LLADA), len(DLLM)) == (14, 10, 6)


@pytest.mark.parametrize("case", RND1, ids=lambda case: case["name"])
def test_rnd1_entropy_equals_diffusion_sample(TableModel, case):
    given = case["kwargs"]
    options = {name: given[name] for name in ("eb_gamma", "top_k", "top_p") if given.get(name) is not None}
    sampler = Rnd1Entropy(steps=given["num_steps"], parity="rnd1", **options)
    done = infill(TableModel(shift=1), [case["initial"]], sampler=sampler)
    assert done.sequences == [case["final"]]
    assert done.forward_calls <= case["forward_calls"]


@pytest.mark.parametrize("name", ["infill", "eb_1.0"])
def test_rnd1_entropy_passes_through_the_same_canvases(TableModel, name):
    case = next(case for case in RND1 if case["name"] == name)
    known = load_file(GOLDENS / "rnd1" / "golden_sample_table_steps.safetensors")[f"{name}/sequences"].tolist()
    model = TableModel(shift=1)
    sampler = Rnd1Entropy(steps=case["kwargs"]["num_steps"], eb_gamma=case["kwargs"].get("eb_gamma"), parity="rnd1")
    infill(model, [case["initial"]], sampler=sampler)
    assert len(model.seen) > 5
    assert all(canvas in known for canvas in model.seen)


def test_generate_under_parity_keeps_rnd1s_slot_for_the_end(TableModel):
    case = next(case for case in RND1 if case["name"] == "prefix_steps17")
    prompt = case["kwargs"]["prefix_ids"]
    done = generate(TableModel(shift=1), [prompt], sampler=Rnd1Entropy(steps=17, parity="rnd1"), max_new_tokens=18)
    assert done.sequences == [case["final"][:-1]]


@pytest.mark.parametrize("case", LLADA, ids=lambda case: case["name"])
def test_llada_equals_generate_py(TableModel, case, monkeypatch):
    given, prompts = case["kwargs"], case["prompt"]
    remasking = given.get("remasking", "low_confidence")
    if remasking == "random":
        replay_uniforms(monkeypatch, case)
    sampler = Llada(steps=given["steps"], block_length=given["block_length"], remasking=remasking, parity="llada")
    for index, visible in enumerate(case["attention_mask"] or [[1] * len(row) for row in prompts]):
        pads = visible.count(0)  # LLaDA pads on the left, which moves positions
        done = generate(
            TableModel(offset=pads),
            [prompts[index][pads:]],
            sampler=sampler,
            guidance=given.get("cfg_scale", 0.0),
            max_new_tokens=given["gen_length"],
        )
        assert same_text(done.sequences[0], case["final"][index][pads:])
        assert done.forward_calls <= case["forward_calls"]


def replay_uniforms(monkeypatch, case):
    """LLaDA's `random` reveals the largest of torch's uniforms: the recorded ones stand in for ours."""
    drawn = load_file(GOLDENS / "llada" / "golden_rand.safetensors")
    steps = case["kwargs"]["steps"] // (case["kwargs"]["gen_length"] // case["kwargs"]["block_length"])

    def uniform(seed, stream, numbers, position_N, step):
        block = (position_N.min().item() - len(case["prompt"][0])) // case["kwargs"]["block_length"]
        return drawn[f"{case['name']}/rand_{block * steps + step}"][0][position_N]

    monkeypatch.setattr("rnd1lib.sampling.view.hash_uniform", uniform)


@pytest.mark.parametrize("case", DLLM, ids=lambda case: case["name"])
def test_llada_with_rounded_quotas_equals_dllms_mdlm_sampler(TableModel, case):
    given, block = case["kwargs"], case["kwargs"]["block_size"]
    blocks = -(-given.get("max_new_tokens", len(case["inputs"][0])) // block)
    sampler = Llada(steps=blocks * -(-given["steps"] // blocks), block_length=block, parity="dllm")
    if case["method"] == "infill":
        done = infill(TableModel(), case["inputs"], sampler=sampler)
    else:
        done = generate(TableModel(), case["inputs"], sampler=sampler, max_new_tokens=given["max_new_tokens"])
    for ours, theirs in zip(done.sequences, case["final"], strict=True):
        assert same_text(ours, theirs[: len(ours)] if case["method"] == "infill" else theirs)


@pytest.mark.parametrize("peer", ["llada", "dllm"])
def test_quotas_equal_the_peers_tables(TableModel, peer):
    cases = json.loads((GOLDENS / peer / "golden_transfer.json").read_text())["cases"]
    tables = [case for case in cases if case.get("scheduler", "linear") == "linear"]
    assert len(tables) > 20
    for case in tables:
        for masks, table in zip(case["mask_num"], case["table"], strict=True):
            done = infill(
                TableModel(), [[5] + [63] * masks] if masks < 60 else [], sampler=Llada(steps=case["steps"], parity=peer)
            )
            committed = [int(step.committed_BL.sum()) for step in done.steps]
            assert committed == ([quota for quota in table if quota] if masks < 60 else [])


def test_the_mask_token_is_never_predicted_by_a_model_that_loves_it(TableModel):
    for temperature in (0.0, 1.0):
        sampler = Llada(steps=4, temperature=temperature)
        done = generate(TableModel(bias="b_mask"), [[5, 6], [7]], sampler=sampler, max_new_tokens=12)
        assert not any(63 in row for row in done.sequences)
    assert torch.tensor(done.forward_calls) <= 4
