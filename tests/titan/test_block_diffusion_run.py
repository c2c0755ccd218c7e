"""Training by block diffusion: each step's loss as sampling would score it, a resumed run, the bound on held-out rows."""

import pytest
import torch
from rnd1_plugins.evaluators.nll import HELD_OUT_SEED
from rnd1_plugins.noise.linear import Linear
from titan_runs import BLOCKS, losses, weights

from rnd1lib.diffusion import Draws, Times, corrupt
from rnd1lib.titan.running import RunningModel
from rnd1lib.titan.trainer import DiffusionTrainer

BLOCK = 16
DENSE = [*BLOCKS, "model.use=qwen3", "lr_groups={use: uniform, lr: 1.0e-3}"]


def scored_as_sampling_does(model, batch, noised, shift):
    """The mean over maskable tokens of w(t) * -log p(token | its noisy block, the clean tokens before it), block by block."""
    total = 0.0
    weight_BL = noised.weight_B.reshape(len(batch.ids_BL), -1).expand(batch.ids_BL.shape)
    for b, document in {(b, int(d)) for b, row in enumerate(batch.documents_BL) for d in row}:
        columns = (batch.documents_BL[b] == document).nonzero()[:, 0]
        for start in range(0, len(columns), BLOCK):
            block = columns[start : start + BLOCK]
            canvas_L = torch.cat([batch.ids_BL[b, columns[:start]], noised.ids_BL[b, block]])
            logits_LV = model.logits(canvas_L[None])[0].double()
            logits_LV[:, model.mask_token_id] = -torch.inf
            log_p_LV = logits_LV.log_softmax(-1)
            for i, column in enumerate(block.tolist(), start):
                if noised.masked_BL[b, column]:
                    total -= weight_BL[b, column].item() * log_p_LV[i - shift, batch.ids_BL[b, column]].item()
    return total / batch.maskable_BL.sum().item()


@pytest.mark.parametrize(("objective", "shift"), [("a2d_shift", 1), ("mdlm", 0)])
def test_the_loss_of_each_step_is_what_sampling_would_score(run, monkeypatch, objective, shift):
    seen, plain = [], DiffusionTrainer.post_dataloading_process

    def watch(self, input_dict, labels):
        ids, labels, extra = plain(self, input_dict, labels)
        seen.append((extra["batch"], extra["noised"]))
        return ids, labels, extra

    monkeypatch.setattr(DiffusionTrainer, "post_dataloading_process", watch)
    still = "lr_groups={use: uniform, lr: 0.0}"
    result = run(*DENSE, still, f"objective={objective}", "train.seed=5", "train.steps=2", "train.micro_batch_rows=4")
    assert result.model().attention_mask.doubled and len(seen) == 4
    for step in range(2):
        parts, tokens = [], []
        for first, (batch, noised) in zip((0, 4), seen[2 * step : 2 * step + 2], strict=True):
            draws = Draws(seed=5, step=step, first_row=first, global_rows=8)
            times = Times(per="block", low=0.2, high=0.9, redraw=True)
            again = corrupt(batch, Linear(), draws, result.model().mask_token_id, times, block_length=BLOCK)
            assert all(torch.equal(ours, theirs) for ours, theirs in zip(again, noised, strict=True))
            tokens.append(batch.maskable_BL.sum().item())
            parts.append(scored_as_sampling_does(result.model(), batch, noised, shift) * tokens[-1])
        assert losses(result)[step + 1] == pytest.approx(sum(parts) / sum(tokens), rel=1e-5)


def test_a_resumed_run_is_the_run_that_was_not_stopped(run, tmp_path):
    whole = run(*DENSE, f"run.folder={tmp_path}/whole")
    run(*DENSE, "run.stop_after=2")
    resumed = run(*DENSE)
    assert losses(resumed) == losses(whole) and max(losses(whole)) == 6
    ours, theirs = weights(resumed), weights(whole)
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_the_held_out_bound_is_that_of_noisy_blocks_behind_clean_ones(run, monkeypatch):
    batches, plain = [], RunningModel.held_out

    def watched(self, rows, data=None):
        for each in plain(self, rows, data):
            batches.append(each)
            yield each

    monkeypatch.setattr(RunningModel, "held_out", watched)
    result = run(*DENSE, "train.steps=1", "evaluators={nll: {use: nll, rows: 8}}")
    (first_row, batch), model = batches[-1], result.model()
    noised = corrupt(
        batch, Linear(), Draws(seed=HELD_OUT_SEED, step=0, first_row=first_row, global_rows=8), model.mask_token_id
    )
    measured = [line["nll"] for line in result.metrics if "evaluator" in line][-1]
    assert measured == pytest.approx(scored_as_sampling_does(model, batch, noised, shift=1), rel=1e-5)
