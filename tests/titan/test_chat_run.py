"""The page on conversations, done: its data, its recipe, a run that is resumed."""

import re
from pathlib import Path

import pytest
from titan_runs import losses

import rnd1lib

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "chat-data.md"


@pytest.fixture
def sums(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script, recipe = re.findall(r"^```\w+\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    exec(script, {})
    Path("sums.yaml").write_text(recipe)
    small = ["train.batch_tokens=512", "train.warmup=1", "train.steps=3", "evaluators=null", "callbacks=null"]
    return lambda *overrides: rnd1lib.train(rnd1lib.load_recipe("sums.yaml", [*small, *overrides]))


def test_a_run_on_conversations_is_resumed_in_the_middle_of_one(sums):
    whole = sums("run.folder=whole")
    sums("run.folder=parts", "run.stop_after=1")
    assert losses(sums("run.folder=parts")) == losses(whole)
    assert len(losses(whole)) == 3
    for line in whole.metrics:
        if "loss" in line:
            assert 0.1 < line["tokens"] / 512 < 0.9  # prompts are not maskable
            assert 0.4 < line["packed"] < 0.95  # what pads an answer is waste
