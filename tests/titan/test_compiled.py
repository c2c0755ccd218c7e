"""The compiled network against the eager one. Compiling takes its time, so there is one test of it."""

import shutil

import pytest
import torch
from titan_runs import losses

DENSE = ["model.use=qwen3", "lr_groups={use: uniform, lr: 1.0e-3}", "train.steps=3"]
DENSE += ["evaluators={nll: {use: nll, rows: 9}}", "callbacks={s: {use: sample, steps: 2, max_new_tokens: 4}}"]


@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling for a CPU needs g++")
def test_a_compiled_network_gives_the_same_losses_and_is_compiled_once_whoever_looks_at_it(run, tmp_path):
    eager = losses(run(*DENSE, f"run.folder={tmp_path}/eager"))
    torch._dynamo.reset()
    with torch._dynamo.config.patch(error_on_recompile=True):
        compiled = losses(run(*DENSE, "titan.compile.enable=true"))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    assert compiled.keys() == eager.keys() and compiled == pytest.approx(eager, rel=1e-6)
