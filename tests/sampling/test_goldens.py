"""Step for step what RND1's, LLaDA's, Dream's, Fast-dLLM's and dllm's own code gave, wherever that is well defined."""

import json
from pathlib import Path

import pytest
from parity import PEERS, every_case
from rnd1_plugins.samplers.llada import Llada
from rnd1_plugins.samplers.rnd1_entropy import Rnd1Entropy
from table import TableModel

from rnd1lib.sampling.generation import generate, infill

pytestmark = pytest.mark.goldens
GOLDENS = Path(__file__).parents[1] / "goldens"
PAGE = Path(__file__).parents[2] / "docs/explanations/samplers.md"
CASES = {(peer, case.name): case for peer in PEERS for case in every_case(peer, GOLDENS)}
COMPARED = [key for key, case in CASES.items() if case.reason is None]
NEED_PARITY = [
    *[("dream", f"{alg}_steps{n}") for alg in ("maskgit_plus", "entropy") for n in (8, 32)],
    *[("dream", name) for name in ("topk_margin_steps4", "topk_margin_steps16", "maskgit_topp0.9", "entropy_topk3")],
    *[("dream", name) for name in ("batch3_leftpad_maskgit_plus", "batch3_no_mask_given")],
    ("dream", "tokens topk_topp"),
    ("llada", "random_seed0_block16"),
    *[("dllm", name) for name in ("table_steps5_block12", "table_infill", "table_cosine", "qwen3_steps6_block5")],
]
FILES = ("rnd1/golden_sample_table", "llada/golden_generate", "dream/golden_sample", "fastdllm/golden_qwen3_adapter",
         "dllm/golden_samplers")  # fmt: skip


def test_no_case_is_left_out():
    for file in FILES:
        names = {name.split(" ")[-1] for peer, name in CASES if peer == file.split("/")[0]}
        names |= {name.split(" ")[1] for peer, name in CASES if name.startswith("blocks ")}
        assert {case["name"] for case in json.loads((GOLDENS / f"{file}.json").read_text())["cases"]} <= names
    assert (len(CASES), len(COMPARED)) == (192, 167)


@pytest.mark.parametrize("key", COMPARED, ids=" ".join)
def test_a_run_is_the_peers_under_its_parity(key):
    assert CASES[key].equal(True)


@pytest.mark.parametrize("key", COMPARED, ids=" ".join)
def test_by_default_a_run_is_the_peers_but_where_the_page_says_otherwise(key):
    listed = key in NEED_PARITY or (key[0] == "dllm" and "quota" in key[1])
    if not listed:
        assert CASES[key].equal(False)
    elif "quota" not in key[1]:
        assert not CASES[key].equal(False)
        assert f"`{key[1].removeprefix('tokens ')}`" in PAGE.read_text()


def test_dllms_rounded_quotas_are_not_the_even_ones():
    tables = [case for key, case in CASES.items() if key[0] == "dllm" and "quota" in key[1]]
    assert len(tables) > 40
    assert 15 < sum(not case.equal(False) for case in tables) < len(tables)


def test_generate_under_parity_keeps_rnd1s_slot_for_the_end():
    cases = json.loads((GOLDENS / "rnd1/golden_sample_table.json").read_text())["cases"]
    case = next(case for case in cases if case["name"] == "prefix_steps17")
    prompt = case["kwargs"]["prefix_ids"]
    slot, whole = (
        generate(TableModel(shift=1), [prompt], sampler=Rnd1Entropy(steps=17, parity=parity), max_new_tokens=18)
        for parity in ("rnd1", None)
    )
    assert slot.sequences == [case["final"][:-1]]
    assert len(whole.sequences[0]) == 24


def test_rnd1s_floor_in_float32_falls_short_of_22_times_13_by_22():
    committed = {}
    for parity in ("rnd1", None):
        done = infill(TableModel(shift=1), [[5] + [63] * 22], sampler=Rnd1Entropy(steps=22, parity=parity))
        committed[parity] = [int(step.committed_BL.sum()) for step in done.steps]
    assert committed == {"rnd1": [1] * 8 + [2] + [1] * 12, None: [1] * 22}


def test_the_mask_token_is_never_predicted_by_a_model_that_loves_it():
    for temperature in (0.0, 1.0):
        sampler = Llada(steps=4, temperature=temperature)
        done = generate(TableModel(bias="b_mask"), [[5, 6], [7]], sampler=sampler, max_new_tokens=12)
        assert not any(63 in row for row in done.sequences)
        assert done.forward_calls <= 4
