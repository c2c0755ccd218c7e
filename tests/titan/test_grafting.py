"""Grafting: what a fit moves and what it does not, and that a run stopped in any stage is the run that was not."""

import pytest
import torch
from titan_runs import losses, weights

import rnd1lib
from rnd1lib.models.run_folder import RunFolder, load_checkpoint

GRAFTING = "attention_mask={use: grafting, after: 3, fit_steps: 4, fit_rows: 16}"
LONG = ["train.steps=9", "titan.checkpoint.interval=1", "titan.checkpoint.keep_latest_k=0"]


def fits(result):
    """step -> layer -> error, for the steps of the fit."""
    return {line["step"]: line["fit"] for line in result.metrics if "fit" in line}


def at(result, step):
    """Every parameter of the checkpoint of a step, by name."""
    network = result.model().network
    load_checkpoint(RunFolder(result.folder).checkpoints / f"step-{step}", network)
    return {name: value.detach().clone() for name, value in network.named_parameters()}


def equal(ours, theirs):
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.fixture(scope="session")
def whole(texts, tmp_path_factory):
    """A run through all three stages without a stop, with every checkpoint."""
    from titan_runs import TINY

    folder = tmp_path_factory.mktemp("grafted")
    (folder / "tiny.yaml").write_text(TINY % (texts, folder), encoding="utf-8")
    return rnd1lib.train(rnd1lib.load_recipe(folder / "tiny.yaml", [GRAFTING, *LONG]))


def test_the_steps_of_the_fit_are_counted_and_say_the_error_of_each_layer(whole):
    assert list(losses(whole)) == list(range(1, 10))
    assert list(fits(whole)) == [4, 5, 6, 7]
    for step, errors in fits(whole).items():
        assert list(errors) == [f"layers.{layer}.attention" for layer in range(3)]
        assert losses(whole)[step] == pytest.approx(sum(errors.values()) / 3)


def test_a_fit_moves_every_attention_parameter_and_no_other(whole):
    before, after = at(whole, 3), at(whole, 7)
    for name, value in before.items():
        assert torch.equal(value, after[name]) is (".attention." not in name), name
    assert not any(torch.equal(value, at(whole, 9)[name]) for name, value in after.items() if ".moe.routed" in name)


@pytest.mark.parametrize("stop", [2, 3, 4, 6, 8])
def test_a_run_that_was_stopped_in_any_stage_is_the_run_that_was_not(run, whole, stop):
    run(GRAFTING, *LONG, f"run.stop_after={stop}")
    resumed = run(GRAFTING, *LONG)
    assert losses(resumed) == losses(whole) and fits(resumed) == fits(whole)
    assert equal(weights(resumed), weights(whole))
