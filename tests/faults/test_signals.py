"""SIGTERM and Ctrl-C to real processes: saved, the exit code that was promised, and gone on with as if nothing had been."""

import signal

from processes import Forked, last_step, status
from titan_runs import losses

import rnd1lib

SMALL = ["train.steps=60", "train.batch_tokens=128", "callbacks={console: console}"]


def test_a_process_that_is_stopped_twice_ends_with_the_losses_of_one_that_was_not(rnd1, tiny, tmp_path):
    folder = tmp_path / "run"
    whole = rnd1lib.train(rnd1lib.load_recipe(tiny, [*SMALL, f"run.folder={tmp_path}/whole"]))
    for number, code, step in ((signal.SIGTERM, 75, 2), (signal.SIGINT, 130, 12)):
        forked = Forked("train", tiny, *SMALL)
        forked.until(f"step {step:>6}  loss")
        forked.send(number)
        assert forked.wait() == code, forked.text
        assert "Traceback" not in forked.text
        seen = status(folder)
        assert (seen["state"], seen["exit_code"]) == ("stopped", code) and step <= seen["step"] < 60
        assert forked.lines[-1] == f"{folder}: stopped by a signal after step {seen['step']}, and saved."
        assert last_step(folder) == seen["step"] and (folder / f"checkpoints/step-{seen['step']}/manifest.json").is_file()
    assert rnd1("train", tiny, *SMALL)[0] == 0
    assert losses(rnd1lib.train(rnd1lib.load_recipe(tiny, SMALL))) == losses(whole)
