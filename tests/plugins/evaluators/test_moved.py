"""How far weights moved: against the two checkpoints themselves, and after a resume."""

import pytest
import torch
from titan_runs import weights, write_recipe, write_texts

import rnd1lib

FREEZE = "lr_groups={use: attention_first, attention_lr: 3.0e-3, rest_lr: null, rest: freeze}"


@pytest.fixture
def run(tmp_path):
    (tmp_path / "texts").mkdir()
    write_texts(tmp_path / "texts")
    path = write_recipe(tmp_path, tmp_path / "texts")

    def train(*overrides):
        return rnd1lib.train(rnd1lib.load_recipe(path, ["evaluators={moved: {use: moved, every: 2}}", *overrides]))

    return train


def figures(result):
    return {line["step"]: line for line in result.metrics if line.get("evaluator") == "moved"}


def test_a_frozen_group_stays_and_attention_moves_as_far_as_the_weights_say(run, tmp_path):
    start = weights(run(FREEZE, "train.steps=1", "train.clip=1e-30", f"run.folder={tmp_path}/still"))
    result = run(FREEZE, "train.steps=4")
    by_step, end = figures(result), weights(result)
    assert sorted(by_step) == [0, 2, 4]
    assert by_step[0]["attention_max"] == by_step[4]["rest_max"] == by_step[4]["rest_rms"] == 0
    distances = torch.cat([(end[name] - start[name]).abs().flatten() for name in start if ".attention." in name])
    assert by_step[4]["attention_max"] == pytest.approx(float(distances.max()), rel=0.2)  # the sample may miss the largest
    assert by_step[4]["attention_rms"] == pytest.approx(float(distances.square().mean().sqrt()), rel=0.1)
    assert 0 < by_step[2]["attention_rms"] < by_step[4]["attention_rms"]


def test_a_resumed_run_still_measures_from_its_first_beginning(run, tmp_path):
    whole = figures(run(f"run.folder={tmp_path}/whole"))
    run("run.stop_after=3")
    assert figures(run()) == whole and whole[6]["rest_max"] > 0
