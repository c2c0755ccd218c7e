"""What an attention mask may do between two steps, and what the rest of a run sees of it."""

import pytest
import torch
from grafted_runs import DENSE, GRAFTING, LONG, ONE, checkpoints, fits, grafting
from titan_runs import losses

import rnd1lib
from rnd1lib.errors import PluginError, RecipeError
from rnd1lib.titan.grafting.before_step import BeforeStep
from rnd1lib.titan.trainer import DiffusionTrainer

FROZEN = '''
from rnd1lib.kinds import Group
class Frozen:
    """Attention stays as it is."""
    def groups(self, names):
        return [Group("attention", r"\\.attention\\.", 0.0, 0.0, frozen=True), Group("rest", ".*", 1e-3, 0.0)]
'''
ODD = '''
from rnd1_plugins.attention_masks.grafting import Grafting
class Odd(Grafting):
    """Asks for rows that fill no step."""
    def before_step(self, run):
        assert list(run.attention_layers()) == [f"layers.{n}.attention" for n in range(3)]
        run.capture(3, at=run.step, until=9)
'''


def test_without_a_fit_the_operators_are_swapped_as_they_are(run, tmp_path):
    swapped = run(*ONE, grafting(after=2))
    causal = run(*ONE, "attention_mask=causal", f"run.folder={tmp_path}/causal")
    assert checkpoints(swapped) == [2, 3] and not fits(swapped)
    assert [losses(swapped)[step] == losses(causal)[step] for step in (1, 2, 3)] == [True, True, False]
    assert losses(swapped)[3] == pytest.approx(losses(causal)[3], rel=0.05)


def test_the_steps_behind_a_fit_train_on_the_rows_that_would_have_come(run, monkeypatch):
    plain, rows = DiffusionTrainer.post_dataloading_process, {}

    def watched(self, inputs, labels):
        rows[self.step] = inputs["row_of_run"]
        return plain(self, inputs, labels)

    monkeypatch.setattr(DiffusionTrainer, "post_dataloading_process", watched)
    run(*ONE, grafting(after=1, fit_steps=2, fit_rows=16), "train.steps=5")
    assert rows == {1: 0, 4: 8, 5: 16}


def test_a_model_has_the_mask_of_its_step_wherever_it_is_asked(run, tmp_path):
    nll = "evaluators={nll: {use: nll, every: 1, rows: 8}}"
    ids = torch.arange(2, 22).view(2, 10)
    for steps, like in ((1, "causal"), (3, "bidirectional")):
        result = run(*ONE, nll, grafting(after=2), f"run.stop_after={steps}")
        exported = rnd1lib.export(result.folder, tmp_path / like, layout="qwen3")
        expected = rnd1lib.load_model(result.folder, attention_mask=like).logits(ids)
        other = rnd1lib.load_model(result.folder, attention_mask={"causal": "bidirectional"}.get(like, "causal")).logits(ids)
        for folder in (result.folder, exported):
            assert torch.equal(rnd1lib.load_model(folder).logits(ids), expected)
        assert not torch.allclose(expected, other)
    causal = run(*ONE, nll, "attention_mask=causal", f"run.folder={tmp_path}/run-causal")
    ours, theirs = ({line["step"]: line["nll"] for line in r.metrics if "nll" in line} for r in (result, causal))
    assert [ours[step] == theirs[step] for step in range(4)] == [True, True, False, False]


def test_the_teacher_is_asked_once_and_what_it_gave_is_let_go_behind_the_fit(run, monkeypatch):
    plain, asked = BeforeStep._run_through, []

    def watched(self, rows, at):
        asked.append(self)
        return plain(self, rows, at)

    monkeypatch.setattr(BeforeStep, "_run_through", watched)
    run(DENSE, grafting(after=1, fit_steps=3, fit_rows=8), "train.steps=6")
    assert len(asked) == 1 and asked[0]._activations is None


def test_a_fit_of_attention_that_is_frozen_is_refused(run, plugin):
    plugin("lr_groups", FROZEN)
    with pytest.raises(RecipeError, match=r"lr_groups: 'frozen' freezes attention .*fits nothing else"):
        run(*LONG, "lr_groups=frozen")


def test_a_pass_over_the_data_that_ends_before_the_fit_does_is_refused_before_the_first_step(run, tmp_path):
    with pytest.raises(RecipeError, match=r"'grafting': after: 3 and 4 steps of fit leave nothing of the run's \d steps"):
        run(DENSE, GRAFTING, "train.steps=null", "train.epochs=1")
    assert not (tmp_path / "run/metrics.jsonl").exists()


def test_another_masks_structural_change_is_given_the_run_and_told_what_it_did_wrong(run, plugin):
    plugin("attention_mask", ODD)
    with pytest.raises(PluginError, match=r"Odd.before_step.* rows: 3 is no multiple of the 8 rows of a step"):
        run(*ONE, "attention_mask={use: odd, after: 1}")
