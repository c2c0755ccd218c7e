"""A run whose ranks are killed again and again, at any time, ends with the very weights of the run that was left alone."""

import random
import signal

import pytest
import torch
from processes import Ranks
from titan_runs import losses, weights

import rnd1lib

EACH = ["titan.checkpoint.interval=1", "titan.checkpoint.keep_latest_k=2", "train.batch_tokens=128"]


def killed_until_done(tiny, folder, *, count, kills, steps, draw):
    """Starts the run until it is done; `kills` starts at least are killed, and more while none has left a checkpoint."""
    arguments = ["train", tiny, *EACH, f"train.steps={steps}", f"run.folder={folder}"]
    killed = 0
    while True:
        saved = any(folder.glob("checkpoints/step-*/manifest.json"))
        seconds = 0 if saved and killed >= kills else draw.uniform(0.7, 1.7) + killed / 5
        started = Ranks(count, *arguments, seconds=seconds)
        codes = started.wait()
        if not any(codes):
            assert ("resumed from step" in started.ranks[0].text) == saved
            return
        assert codes[-1] == -signal.SIGPROF, [rank.text for rank in started.ranks]
        killed += 1


@pytest.mark.parametrize(("count", "kills", "steps"), [(1, 3, 16), pytest.param(2, 2, 8, marks=pytest.mark.distributed)])
def test_a_run_that_is_killed_at_random_times_ends_as_if_it_had_not_been(tiny, tmp_path, count, kills, steps):
    draw = random.Random(count)
    killed_until_done(tiny, tmp_path / "run", count=count, kills=kills, steps=steps, draw=draw)
    result, whole = (
        rnd1lib.train(rnd1lib.load_recipe(tiny, [*EACH, f"train.steps={steps}", f"run.folder={tmp_path}/{name}"]))
        for name in ("run", "whole")
    )
    if count == 1:  # two ranks add up in another order
        ours, theirs = weights(result), weights(whole)
        assert losses(result) == losses(whole) and all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert losses(result) == pytest.approx(losses(whole), rel=1e-5)
    assert {path.name for path in (result.folder / "checkpoints").iterdir()} >= {f"step-{steps - 1}", f"step-{steps}"}
    assert not list(result.folder.rglob("*.tmp-*"))
