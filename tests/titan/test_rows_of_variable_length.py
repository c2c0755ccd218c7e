"""Training with rows that are cut short and ends that go as one: what a step sees, what it counts, and after a resume."""

import pytest
import torch
from titan_runs import losses, weights

from rnd1lib.diffusion import IGNORE
from rnd1lib.errors import RecipeError
from rnd1lib.models.tokens.tokenizer import Tokenizer

SHORT = ("train.variable_length={share: 50%, shortest: 3}", "objective.eos=as_one")


@pytest.fixture
def steps(monkeypatch):
    """What each step trained on: (the loader's documents, its maskable tokens, the batch, what was done to it, weights)."""
    from rnd1lib.titan.trainer import DiffusionTrainer

    seen, plain = [], DiffusionTrainer.post_dataloading_process

    def watched(self, inputs, labels):
        ids, targets, extra = plain(self, inputs, labels)
        seen.append((inputs["documents"], labels != IGNORE, extra["batch"], extra["noised"], extra["weights"]))
        return ids, targets, extra

    monkeypatch.setattr(DiffusionTrainer, "post_dataloading_process", watched)
    return seen


def test_a_step_trains_on_what_is_left_and_counts_no_more(run, steps):
    result = run(*SHORT, "train.steps=4")
    lines = [line for line in result.metrics if "loss" in line]
    lengths = []
    for line, (documents, maskable, batch, noised, weights_BL) in zip(lines, steps, strict=True):
        left = batch.documents_BL == documents
        lengths += left.sum(1).tolist()
        assert torch.equal(batch.maskable_BL, maskable & left)
        assert line["tokens"] == batch.maskable_BL.sum() and line["masked"] == noised.masked_BL.sum()
        assert not (noised.masked_BL & ~left).any() and not weights_BL[:, :-1][~left[:, 1:]].any()
    assert min(lengths) >= 3 and 8 <= sum(length < 64 for length in lengths) <= 24  # of 32 rows, half of them


def test_the_ends_of_a_document_go_together_when_that_is_asked_for(run, steps, monkeypatch, tmp_path):
    plain = Tokenizer.encode_document
    monkeypatch.setattr(Tokenizer, "encode_document", lambda self, text: [*plain(self, text), *[self.eos_token_id] * 3])
    for eos in ("each", "as_one"):
        model = run(f"objective.eos={eos}", "train.steps=4", f"run.folder={tmp_path}/{eos}").model()
    shares = {"each": set(), "as_one": set()}
    for number, (documents, _, batch, noised, _) in enumerate(steps):
        ends = batch.maskable_BL & (batch.ids_BL == model.eos_token_id)
        for row, document in {(b, int(documents[b, i])) for b, i in ends.nonzero().tolist()}:
            run_L = ends[row] & (documents[row] == document)
            shares["each" if number < 4 else "as_one"].add((run_L.sum().item(), noised.masked_BL[row][run_L].sum().item()))
    assert {(3, 0), (3, 3)} <= shares["as_one"] and all(masked in (0, size) for size, masked in shares["as_one"])
    assert {(3, 1), (3, 2)} & shares["each"]


def test_a_resumed_run_cuts_the_same_rows(run, whole, tmp_path):
    short = run(*SHORT, f"run.folder={tmp_path}/short")
    run(*SHORT, "run.stop_after=3")
    resumed = run(*SHORT)
    assert losses(resumed) == losses(short) != losses(whole)
    ours, theirs = weights(resumed), weights(short)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_the_rows_of_a_fit_are_cut_too(run, tmp_path):
    fit = ("model.use=qwen3", "attention_mask={use: grafting, after: 1, fit_steps: 1, fit_rows: 8}", "train.steps=3")
    runs = [run(*fit, *options, f"run.folder={tmp_path}/{number}") for number, options in enumerate([(), SHORT])]
    whole, short = ([line["tokens"] for line in result.metrics if "fit" in line] for result in runs)
    assert len(short) == 1 and short[0] < whole[0]


def test_held_out_rows_keep_their_length(run, tmp_path):
    found = []
    for number, options in enumerate([(), SHORT]):
        result = run(*options, "train.steps=1", "evaluators={nll: {use: nll, rows: 16}}", f"run.folder={tmp_path}/{number}")
        found.append(next(line["nll"] for line in result.metrics if "evaluator" in line))
    assert found[0] == found[1]


def test_a_run_with_rows_of_its_own_length_is_another_run(run):
    run("train.steps=1")
    with pytest.raises(RecipeError, match="variable_length"):
        run("train.steps=1", "train.variable_length={}")
