"""Training under a mask that changes with the step: what the steps see, and that a resumed run sees the same."""

from functools import cache

import pytest
import torch
from titan_runs import losses, weights

ANNEALING = "attention_mask={use: annealing, steps: 4, seed: 5}"


def test_a_run_resumed_while_its_mask_opens_is_the_run_that_was_not_stopped(run, tmp_path):
    whole = run(ANNEALING, f"run.folder={tmp_path}/whole")
    run(ANNEALING, "run.stop_after=2")
    resumed = run(ANNEALING)
    assert losses(resumed) == losses(whole) and max(losses(whole)) == 6
    ours, theirs = weights(resumed), weights(whole)
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_the_first_steps_lie_between_causal_and_bidirectional_and_the_seed_decides(run, tmp_path):
    @cache
    def first(mask):
        return losses(run(f"attention_mask={mask}", "train.steps=1", f"run.folder='{tmp_path}/{mask}'"))[1]

    masks = ["causal", "bidirectional", "{use: annealing, steps: 4}", "{use: annealing, steps: 4, seed: 1}"]
    assert len(set(map(first, masks))) == 4
    assert first("{use: annealing, steps: 1}") == first("bidirectional")
    assert first("{use: band_annealing, steps: 100}") == pytest.approx(first("causal"), rel=1e-5)
    assert first("{use: block_causal, block_length: 64}") == pytest.approx(first("bidirectional"), rel=1e-5)
