"""What saves memory or time changes no number: recomputation, checkpoints that are written beside the training."""

import pytest
import torch
from titan_runs import losses, weights

NETWORKS = {
    "dense": ["model.use=qwen3", "lr_groups={use: uniform, lr: 1.0e-3}"],
    "moe": [],
    "a mask that opens": ["attention_mask={use: annealing, steps: 4, seed: 5}"],
}


def same(ours, theirs):
    ours, theirs = weights(ours), weights(theirs)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("name", NETWORKS)
def test_recomputed_activations_give_the_same_losses_and_gradients_bit_for_bit(run, tmp_path, name):
    kept = run(*NETWORKS[name], "train.steps=2", f"run.folder={tmp_path}/kept")
    for how in ("selective", "full"):
        again = run(*NETWORKS[name], "train.steps=2", f"train.recompute={how}", f"run.folder={tmp_path / how}")
        assert losses(again) == losses(kept) and same(again, kept), how


def test_a_run_resumes_exactly_from_a_checkpoint_that_was_written_beside_the_training(run, whole):
    beside = ["titan.checkpoint.async_mode=async", "titan.checkpoint.interval=1"]
    stopped = run(*beside, "run.stop_after=3")
    assert sorted(path.name for path in (stopped.folder / "checkpoints").glob("step-*")) == ["step-1", "step-2", "step-3"]
    resumed = run(*beside)
    assert losses(resumed) == losses(whole) and same(resumed, whole)
