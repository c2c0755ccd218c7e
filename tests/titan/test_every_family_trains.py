"""Every family of networks learns from a few texts, and a run of it can be begun from a folder of another run's."""

import math

import pytest
from titan_runs import losses

import rnd1lib


@pytest.mark.parametrize("model", ["llama", "qwen2"])
def test_the_loss_of_a_tiny_network_falls(run, model, tmp_path):
    result = run(f"model.use={model}", "train.steps=8")
    loss = losses(result)
    assert all(math.isfinite(value) for value in loss.values())
    assert loss[8] < loss[1] - 0.5
    folder = rnd1lib.export(result.folder, tmp_path / "exported", layout=model)
    again = run(f"model={{use: {model}, flavor: null, init: '{folder}', tokenizer: null}}", f"run.folder={tmp_path}/again")
    assert losses(again)[1] < loss[1] - 0.5
