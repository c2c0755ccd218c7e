"""The fit of grafting on two gloo ranks is that of one: FSDP2, expert parallelism, recomputation, and resumed in the fit."""

import json
from pathlib import Path

import pytest
from processes import run_two_ranks
from titan_runs import write_recipe, write_texts

import rnd1lib

pytestmark = pytest.mark.distributed

OPTIONS = [
    "attention_mask={use: grafting, after: 2, fit_steps: 4, fit_rows: 16}",
    "lr_groups={use: attention_first, attention_lr: 3.0e-4, rest_lr: 1.0e-3}",
    "train.steps=8",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs of two ranks by name, and `tiny.yaml`."""
    folder = tmp_path_factory.mktemp("grafting-two-ranks")
    write_texts(folder)
    run_two_ranks(Path(__file__).with_name("grafting_two_ranks.py"), write_recipe(folder, folder), folder, *OPTIONS)
    return folder


@pytest.fixture(scope="module")
def one(folder):
    """The same run alone in this process."""
    rnd1lib.train(rnd1lib.load_recipe(folder / "tiny.yaml", [f"run.folder={folder}/one", *OPTIONS]))
    return steps(folder / "one")


def steps(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 9))
    assert [line["step"] for line in lines if "fit" in line] == [3, 4, 5, 6]
    return lines


def near(ours, theirs):
    assert [line["loss"] for line in ours] == pytest.approx([line["loss"] for line in theirs], rel=1e-5)
    assert all((a["tokens"], a["masked"]) == (b["tokens"], b["masked"]) for a, b in zip(ours, theirs, strict=True))
    for a, b in zip(ours, theirs, strict=True):
        assert a.get("fit", {}) == pytest.approx(b.get("fit", {}), rel=1e-5)


@pytest.mark.parametrize("layout", ["fsdp", "ep", "recomputed"])
def test_the_fit_is_that_of_one_rank(folder, one, layout):
    near(steps(folder / layout), one)


def test_a_fit_that_was_resumed_is_bit_equal(folder):
    whole, resumed = ([(line["loss"], line.get("fit")) for line in steps(folder / name)] for name in ("ep", "stopped"))
    assert resumed == whole


def test_a_fit_that_two_ranks_began_goes_on_with_one(folder, one):
    rnd1lib.train(rnd1lib.load_recipe(folder / "tiny.yaml", [f"run.folder={folder}/fewer", *OPTIONS]))
    near(steps(folder / "fewer"), one)
