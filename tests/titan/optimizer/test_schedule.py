"""The learning rate at every step: against the published schedules, and in a run."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from titan_runs import losses

from rnd1lib.recipe.arithmetic import Stage
from rnd1lib.titan.optimizer.schedule import Schedules, factor

SHAPES = ("constant", "linear", "cosine")
STAGES = st.lists(st.builds(Stage, st.integers(1, 20), st.floats(0, 2), st.sampled_from(SHAPES)), max_size=4)


def test_lladas_pretraining_is_four_stages():
    """Nie et al. 2025, section 3: 0 to 4e-4 in 2 000 steps, stable to 1.2T tokens, 1e-4 for 0.8T, to 1e-5 over 0.3T."""
    step_tokens, peak = 1280 * 4096, 4e-4
    stable, lower, decay = (round(tokens / step_tokens) for tokens in (1.2e12, 0.8e12, 0.3e12))
    stages = [Stage(stable - 2000, 1.0, "constant"), Stage(lower, 0.25, "constant"), Stage(decay, 0.025, "linear")]

    def lr(step):
        return peak * factor(step, warmup=2000, stages=stages)

    assert lr(0) == pytest.approx(peak / 2000) and lr(999) == pytest.approx(peak / 2) and lr(1999) == peak
    assert lr(2000) == lr(stable - 1) == peak
    assert lr(stable) == lr(stable + lower - 1) == pytest.approx(1e-4)
    assert lr(stable + lower + decay // 2) == pytest.approx(5.5e-5, rel=1e-3)
    assert lr(stable + lower + decay - 1) == pytest.approx(1e-5, rel=1e-3) and lr(10**7) == pytest.approx(1e-5)


@pytest.mark.parametrize("shape", ["linear", "cosine"])
def test_a_decay_over_the_whole_run_is_that_of_transformers(shape):
    from transformers import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

    make = {"linear": get_linear_schedule_with_warmup, "cosine": get_cosine_schedule_with_warmup}[shape]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = make(optimizer, 10, 50).lr_lambdas[0]
    # theirs starts the warm-up at 0, ours at 1 / warmup: the decay is compared
    for step in range(10, 50):
        assert factor(step, warmup=10, stages=[Stage(40, 0.0, shape)]) == pytest.approx(theirs(step), abs=1e-12)


@given(warmup=st.integers(0, 10), stages=STAGES)
def test_the_schedule_starts_above_zero_jumps_only_into_constant_stages_and_ends_at_its_last_factor(warmup, stages):
    total = warmup + sum(stage.length for stage in stages)
    factors = [factor(step, warmup=warmup, stages=stages) for step in range(total + 3)]
    ends = [1.0, *(stage.factor for stage in stages)]
    assert factors[:warmup] == [(step + 1) / warmup for step in range(warmup)]
    assert factors[total:] == [ends[-1]] * 3
    assert all(0 <= each <= max(ends) + 1e-12 for each in factors)
    start = warmup
    for before, stage in zip(ends, stages, strict=False):
        assert factors[start] == pytest.approx(stage.factor if stage.shape == "constant" else before)
        inside = [before, *factors[start : start + stage.length], stage.factor]
        signs = {after > before + 1e-12 for before, after in pairwise(inside) if abs(after - before) > 1e-12}
        assert len(signs) <= 1
        start += stage.length


def test_every_optimizer_follows_the_schedule_from_its_own_peak():
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": [p], "lr": lr} for p, lr in zip(parameters, (1.0, 1e-8), strict=True)])
    schedules = Schedules.Config(warmup=2, stages=(Stage(2, 0.5, "linear"),)).build(optimizers=[optimizer], training_steps=9)
    seen = []
    for _ in range(5):
        seen.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedules.step()
    assert seen == [[f, pytest.approx(f * 1e-8)] for f in (0.5, 1.0, 1.0, 0.75, 0.5)]


def test_a_run_follows_its_stages_scaled_to_its_batch_and_a_resumed_one_too(run, tmp_path):
    options = [
        "train.lr_scaling={reference_batch_tokens: 128}",  # the batch has 512: twice the rate
        "train.stages={stable: {}, decay: {length: 1024 tokens, factor: 0.1, shape: cosine}}",
    ]
    whole = run(*options, f"run.folder={tmp_path}/whole")
    rates = [line["lr"]["attention"] for line in whole.metrics if "lr" in line]
    assert rates == pytest.approx([0.5 * 6e-3, 6e-3, 6e-3, 6e-3, 6e-3, 6e-3 * (1 - 0.9 * 0.5 * (1 - math.cos(math.pi / 2)))])
    run(*options, "run.stop_after=3")
    assert losses(run(*options)) == losses(whole)


def test_a_run_that_is_made_longer_twice_keeps_the_warm_up_of_its_first_start(run):
    folder = run("train.warmup=50%", "train.steps=4").folder
    run("train.warmup=50%", "train.steps=6")
    rates = [line["lr"]["attention"] for line in run("train.warmup=50%", "train.steps=8").metrics if "lr" in line]
    assert rates == pytest.approx([1.5e-3, *[3e-3] * 7]) and "warmup: 2" in (folder / "recipe.yaml").read_text()
