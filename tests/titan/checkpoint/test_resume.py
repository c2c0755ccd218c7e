"""A run that was stopped and resumed is the run that was not, bit for bit."""

import json
import signal

import pytest
import torch
from titan_runs import losses, weights

from rnd1lib.errors import CheckpointError, RecipeError, Rnd1Error, Stopped
from rnd1lib.titan.records import Records
from rnd1lib.titan.trainer import DiffusionTrainer

KILLER = '''
import os
from rnd1lib.kinds import Callback
class Killer(Callback):
    """Sends a signal to its own process."""
    number: int = 15
    def on_step(self, run, metrics):
        if run.step == 2:
            os.kill(os.getpid(), self.number)
'''


@pytest.mark.parametrize(
    "options",
    [
        ["lr_groups={use: attention_first, attention_lr: 3.0e-3, rest_lr: null, rest: freeze}"],
        ["train.micro_batch_rows=4", "train.recompute=full"],
    ],
    ids=["freeze", "accumulation"],
)
def test_three_steps_and_three_more_are_six(run, tmp_path, options):
    whole = run(*options, f"run.folder={tmp_path}/whole")
    run(*options, "run.stop_after=3")
    same(run(*options), whole)


def test_three_steps_and_three_more_are_six_in_groups_and_a_finished_run_is_left_alone(run, whole, stopped):
    same(run(), whole)
    same(run(), whole)


def same(resumed, whole):
    assert losses(resumed) == losses(whole)
    ours, theirs = weights(resumed), weights(whole)
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_longer_run_goes_on_as_if_it_had_been_planned(run, whole):
    run("train.steps=4")
    assert losses(run("train.steps=6")) == losses(whole)


def test_how_often_a_resumed_run_saves_is_the_new_recipes(run):
    run("run.stop_after=3", "titan.checkpoint.interval=2")
    result = run("titan.checkpoint.interval=5")
    assert sorted(path.name for path in (result.folder / "checkpoints").iterdir()) == ["step-2", "step-3", "step-5", "step-6"]


def test_another_recipe_on_the_same_folder_says_what_differs(run, stopped):
    before = losses(run("run.stop_after=3"))
    with pytest.raises(RecipeError, match=r"lr_groups.*rest_lr"):
        run("lr_groups.rest_lr=5.0e-4")
    assert losses(run("run.stop_after=3")) == before


def test_fresh_refuses_a_folder_that_holds_a_run(run, stopped):
    with pytest.raises(RecipeError, match="holds a run"):
        run(fresh=True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)])
def test_a_signal_saves_and_the_run_goes_on_later_as_if_nothing_had_been(run, whole, plugin, tmp_path, number, code):
    plugin("callback", KILLER)
    with pytest.raises(Stopped, match="after step 2, and saved") as stopped:
        run(f"callbacks={{killer: {{use: killer, number: {int(number)}}}}}")
    assert stopped.value.exit_code == code
    status = json.loads((tmp_path / "run/status.json").read_text())
    assert (status["state"], status["step"], status["exit_code"]) == ("stopped", 2, code)
    assert losses(run()) == losses(whole)


def test_what_killed_saves_left_behind_is_removed_and_a_folder_without_a_manifest_passed_over(run, whole, stopped, capfd):
    folder = stopped.checkpoints
    for name in ("step-4.tmp-ab", "step-5", "step-3.aside"):
        (folder / name).mkdir()
        (folder / name / "__0_0.distcp").write_bytes(b"half")
    (stopped.path / "recipe.yaml.tmp-77").touch()
    assert losses(run()) == losses(whole)
    assert sorted(path.name.partition("-")[2][:9] for path in folder.iterdir()) == ["3", "5.damaged", "6"]
    assert list(stopped.path.glob("*.tmp-*")) == []
    said = capfd.readouterr().err
    assert "step-5: has no manifest.json" in said
    assert "resumed from step 3, the newest whole checkpoint: step-5 is damaged" in said


def test_what_a_killed_run_wrote_of_steps_behind_its_checkpoint_is_dropped(run, stopped):
    with (stopped.path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "loss": 99.0}\n{"step": 5, "loss": 99.0}\n{"step": 6, "lo')
    steps = [(line["step"], line["loss"] < 99) for line in run().metrics]
    assert steps == [(step, True) for step in range(1, 7)]


def test_two_processes_never_train_in_one_folder(run, tmp_path):
    records = Records(tmp_path / "run", writes=True)
    records.take()
    with pytest.raises(Rnd1Error, match="another process is training in this folder"):
        run()
    records.close()
    assert max(losses(run("train.steps=1"))) == 1


def test_a_warm_up_given_as_a_share_is_settled_at_the_first_start(run, whole):
    first = run("train.warmup=50%", "train.steps=4")
    assert "warmup: 2" in (first.folder / "recipe.yaml").read_text()
    assert losses(run("train.warmup=50%", "train.steps=6")) == losses(whole)


def test_a_checkpoint_that_is_whole_is_never_written_over(run, tmp_path):
    first = run("titan.checkpoint.interval=2", "run.stop_after=4")
    folders = sorted((first.folder / "checkpoints").iterdir())
    assert [folder.name for folder in folders] == ["step-2", "step-4"]
    before = {file: file.stat().st_mtime_ns for folder in folders for file in folder.rglob("*") if file.is_file()}
    run("titan.checkpoint.interval=2", "run.stop_after=4")
    run("titan.checkpoint.interval=2")
    assert all(file.stat().st_mtime_ns == time for file, time in before.items())


def test_a_damaged_checkpoint_is_named_and_nothing_is_trained_on(run, stopped):
    (shard,) = (stopped.checkpoints / "step-3").glob("*.distcp")
    shard.write_bytes(shard.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"distcp: has 1000 bytes.*holds no whole checkpoint"):
        run()
    assert (stopped.path / "metrics.jsonl").read_text().count('"loss"') == 3
    status = json.loads((stopped.path / "status.json").read_text())
    assert (status["state"], status["exit_code"]) == ("failed", 4)


def test_a_run_that_died_inside_an_accumulation_window_ends_as_if_it_had_not(run, tmp_path, monkeypatch):
    options = ["train.micro_batch_rows=2", "titan.checkpoint.interval=3"]
    whole = run(*options, f"run.folder={tmp_path}/whole")
    forward, calls = DiffusionTrainer._forward_backward_body, []

    def dies_in_the_third_of_four(self, *arguments):
        calls.append(self.step)
        if calls.count(5) == 3:
            raise OSError("the machine is gone")
        return forward(self, *arguments)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="the machine is gone"):
        patch.setattr(DiffusionTrainer, "_forward_backward_body", dies_in_the_third_of_four)
        run(*options)
    same(run(*options), whole)
