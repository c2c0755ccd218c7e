"""A run that grafts, stopped in any stage, is the run that was not."""

import shutil

import pytest
import torch
from grafted_runs import DENSE, LONG, checkpoints, fits, grafting
from titan_runs import losses, weights

from rnd1lib.errors import CheckpointError
from rnd1lib.models.runs.folder import RunFolder, found_checkpoints
from rnd1lib.titan.trainer import DiffusionTrainer


def same(resumed, grafted):
    assert losses(resumed) == losses(grafted) and fits(resumed) == fits(grafted)
    ours, theirs = weights(resumed), weights(grafted)
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("stop", [3, 5])
def test_a_run_that_was_stopped_in_any_stage_is_the_run_that_was_not(run, grafted, stop):
    run(*LONG, f"run.stop_after={stop}")
    same(run(*LONG), grafted)


@pytest.mark.parametrize("last", [2, 8])
def test_a_run_that_goes_on_from_any_stage_is_the_run_that_was_not_stopped(run, grafted, tmp_path, last):
    shutil.copytree(grafted.folder, tmp_path / "run")
    for step, path in found_checkpoints(RunFolder(tmp_path / "run").checkpoints).items():
        if step > last:
            shutil.rmtree(path)
    same(run(*LONG), grafted)


def test_a_run_that_died_in_its_fit_unsaved_is_the_run_that_was_not(run, grafted, monkeypatch):
    plain = DiffusionTrainer.train_step

    def dies(self, rows):
        if self.step == 7:
            raise MemoryError
        return plain(self, rows)

    options = [*LONG, "titan.checkpoint.interval=5"]
    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(DiffusionTrainer, "train_step", dies)
        run(*options)
    assert losses(resumed := run(*options)) == losses(grafted) and fits(resumed) == fits(grafted)
    assert checkpoints(resumed) == [3, 5, 9]


def test_retention_keeps_the_checkpoint_of_the_swap_as_long_as_one_of_the_fit_is_there(run):
    options = [DENSE, grafting(after=3, fit_steps=4, fit_rows=8), "train.steps=10", "titan.checkpoint.interval=1"]
    assert checkpoints(run(*options, "titan.checkpoint.keep_latest_k=2", "run.stop_after=7")) == [3, 6, 7]
    assert checkpoints(run(*options, "titan.checkpoint.keep_latest_k=2")) == [7, 9, 10]


def test_a_fit_that_is_resumed_without_the_checkpoint_of_the_swap_says_so(run, grafted, tmp_path):
    folder = RunFolder(shutil.copytree(grafted.folder, tmp_path / "run")).checkpoints
    for step in (3, 6, 7, 8, 9):
        shutil.rmtree(folder / f"step-{step}")
    with pytest.raises(CheckpointError, match=r"step-3: this checkpoint, from which a later step starts, cannot be read"):
        run(*LONG)
