"""Steps whose loss or gradient is not finite: no weight moves, nothing is saved, and too many in a row end the run."""

import itertools
import json
import math

import pytest
import torch
from safetensors import safe_open
from titan_runs import losses

import rnd1lib
from rnd1lib.errors import NumericalError, RecipeError
from rnd1lib.titan import trainer as training
from rnd1lib.titan.records import finite
from rnd1lib.titan.trainer import Diffusion, DiffusionTrainer


@pytest.fixture
def spoil(monkeypatch):
    """spoil(steps) makes the loss of these steps (from 1) infinite; gives what every step found: its number and the weights."""

    def at(steps):
        plain, step, found = Diffusion.noised, DiffusionTrainer.train_step, []

        def noised(self, batch, **where):
            made = plain(self, batch, **where)
            return made._replace(weight_B=made.weight_B * math.inf) if where["step"] + 1 in steps else made

        def watched(self, rows):
            found.append((self.step, [parameter.to_local().clone() for parameter in self.network.parameters()], self))
            return step(self, rows)

        monkeypatch.setattr(Diffusion, "noised", noised)
        monkeypatch.setattr(DiffusionTrainer, "train_step", watched)
        return found

    return at


def moved(found):
    """The steps after which the weights were others than before."""
    return [step for (step, before, _), (_, after, _) in itertools.pairwise(found) if not all(map(torch.equal, before, after))]


def saved(folder):
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def test_two_in_a_row_are_passed_over_with_a_line_and_their_batch_and_without_a_checkpoint(run, spoil, tmp_path):
    found = spoil({3, 4})
    result = run("titan.checkpoint.interval=1", "train.steps=7", "train.micro_batch_rows=4", "train.warmup=6")
    assert moved(found) == [1, 2, 5, 6]
    assert saved(result.folder) == ["step-1", "step-2", "step-5", "step-6", "step-7"]
    lines = {line["step"]: line for line in result.metrics}
    assert [step for step in lines if lines[step].get("skipped")] == [3, 4] and lines[3]["loss"] is None
    assert lines[3]["tokens"] > 0 and "NaN" not in (result.folder / "metrics.jsonl").read_text()
    rates = [line["lr"]["attention"] for line in lines.values()]
    assert rates == pytest.approx([step * 0.5e-3 for step in (1, 2, 3, 4, 5, 6, 6)])  # the schedule moves on
    with safe_open(result.folder / "non_finite/step-4-rank-0.safetensors", "pt") as kept:
        assert kept.metadata()["step"] == "4" and not math.isfinite(float(kept.metadata()["loss"]))
        rows = torch.cat([kept.get_tensor(f"{number}.rows_B") for number in (0, 1)])
        assert rows.tolist() == list(range(24, 32))
        clean, noisy = kept.get_tensor("1.clean.ids_BL"), kept.get_tensor("1.noised.ids_BL")
        assert torch.equal(clean != noisy, kept.get_tensor("1.noised.masked_BL")) and (clean != noisy).any()
        assert kept.get_tensor("1.noised.t_B").shape == (4,)


def test_three_in_a_row_end_the_run_with_the_weights_before_them(run, spoil, tmp_path):
    found = spoil({3, 4, 5})
    with pytest.raises(
        NumericalError, match=r"loss of step 5 is (inf|nan), after 2 in a row .* The weights are those of step 2"
    ):
        run("titan.checkpoint.interval=1")
    status = json.loads((tmp_path / "run/status.json").read_text())
    assert (status["state"], status["step"], status["exit_code"]) == ("failed", 4, 3)
    assert moved(found) == [1, 2] and saved(tmp_path / "run") == ["step-1", "step-2"]
    last = [parameter.to_local() for parameter in found[-1][2].network.parameters()]
    assert all(map(torch.equal, last, found[-1][1]))
    assert len(list((tmp_path / "run/non_finite").iterdir())) == 3


def test_the_very_first_step_may_be_passed_over_and_is_told(run, spoil, capfd):
    spoil({1})
    result = run("train.steps=2", "callbacks={console: {use: console}, curves: {use: tensorboard}}")
    assert losses(result)[1] is None and losses(result)[2] > 0
    said = capfd.readouterr().err
    assert "loss      nan" in said and "passed over: not finite" in said and "lr_scheduler" not in said


def test_without_leave_to_skip_the_first_one_ends_the_run(run, spoil):
    spoil({2})
    with pytest.raises(NumericalError, match=r"loss of step 2 is (inf|nan)\. The weights are those of step 1"):
        run("train.non_finite.skip=0")


def test_a_gradient_alone_that_is_not_finite_counts_too(run, spoil, monkeypatch):
    found, plain = spoil(()), training.dist_utils.clip_grad_norm_

    def spoilt(parameters, *rest, **options):
        if found[-1][0] == 2:
            parameters[3].grad.to_local()[0] = math.nan
        return plain(parameters, *rest, **options)

    monkeypatch.setattr(training.dist_utils, "clip_grad_norm_", spoilt)
    lines = {line["step"]: line for line in run("train.steps=4").metrics}
    assert moved(found) == [1, 3] and lines[2]["skipped"] and lines[2]["grad_norm"] is None and lines[2]["loss"] > 0


def test_a_run_that_was_stopped_between_two_of_them_goes_on_counting(run, spoil):
    spoil({3, 4, 5})
    assert losses(run("run.stop_after=4"))[4] is None
    with pytest.raises(NumericalError, match="step 5"):
        run()


def test_fewer_than_none_are_refused(tiny):
    with pytest.raises(RecipeError, match=r"train\.non_finite\.skip: -1 steps are less than none"):
        rnd1lib.load_recipe(tiny, ["train.non_finite={skip: -1}"])


def test_what_is_not_finite_is_null_at_any_depth():
    assert finite({"a": math.nan, "b": [1.0, {"c": -math.inf}], "d": "nan"}) == {"a": None, "b": [1.0, {"c": None}], "d": "nan"}
