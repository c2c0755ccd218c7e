"""Approximate caches give what Fast-dLLM's own code gave with its caches, and what its rule gives written out plainly."""

import json
from pathlib import Path

import pytest
import torch

import rnd1lib

pytestmark = pytest.mark.goldens
MASK = 315
GOLDEN = json.loads((Path(__file__).parents[1] / "goldens/fastdllm/golden_qwen3_adapter.json").read_text())
CACHES = {"generate": None, "generate_with_prefix_cache": "prefix", "generate_with_dual_cache": "dual"}
CASES = [case for case in GOLDEN["cases"] if case.get("comparable")]


@pytest.fixture(scope="module")
def model(goldens):
    return rnd1lib.load_model(goldens / "hf/qwen3", attention_mask="bidirectional", shift=0, mask_token_id=MASK)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_fast_dllms_generate_with_and_without_its_caches(model, case):
    given = case["kwargs"]
    rule = {"sampler": "threshold", "threshold": given["threshold"]} if "threshold" in given else {"sampler": "llada"}
    done = rnd1lib.generate(
        model,
        GOLDEN["prompt"],
        max_new_tokens=given["gen_length"],
        steps=given["steps"],
        block_length=given["block_length"],
        cache=CACHES[case["function"]],
        **rule,
    )
    ours, theirs = done.sequences[0], case["final"][0]
    assert ours == theirs[: len(ours)] and (len(ours) == len(theirs) or ours[-1] == 317)
    assert done.forward_calls <= case["forward_calls"]


def test_the_cases_are_here():
    assert {(CACHES[case["function"]], "threshold" in case["kwargs"]) for case in CASES} >= {
        (None, False), (None, True), ("prefix", False), ("prefix", True),
    }  # fmt: skip


def decoded(model, prompt, new, block, policy):
    """The surest masked token of the block a step: all is run when a block begins, then from it on, or it alone (`dual`)."""
    ids_L = torch.tensor([*prompt, *[MASK] * new])
    end, shift = len(ids_L), model.shift
    for start in range(len(prompt), end, block):
        stop = min(start + block, end)
        cache = model.prefill(ids_L[None])
        logits_LV = cache.logits[0]
        while True:
            masked = [place for place in range(start, stop) if ids_L[place] == MASK]
            p_NV = logits_LV[[place - shift for place in masked]].index_fill(1, torch.tensor(MASK), -torch.inf).softmax(-1)
            best = int(p_NV.amax(-1).argmax())
            ids_L[masked[best]] = p_NV[best].argmax()
            if len(masked) == 1:
                break
            at_S = torch.arange(start - shift, stop if policy == "dual" else end)
            logits_LV[at_S] = model.extend(cache, ids_L[None, at_S], at_BS=at_S[None])[0]
    return ids_L.tolist()


@pytest.mark.parametrize("policy", ["prefix", "dual"])
@pytest.mark.parametrize("shift", [0, 1])
def test_the_rule_written_out_gives_the_same(model, monkeypatch, shift, policy):
    monkeypatch.setattr(model, "shift", shift)
    monkeypatch.setattr(model, "eos_token_id", None)
    (prompt,) = GOLDEN["prompt"]
    plain = {"block_length": 6, "sampler": "llada"}
    done = rnd1lib.generate(model, [prompt], max_new_tokens=16, cache=policy, **plain).sequences[0]
    assert done == decoded(model, prompt, 16, 6, policy)
    assert done != rnd1lib.generate(model, [prompt], max_new_tokens=16, **plain).sequences[0], "nothing was approximate"
