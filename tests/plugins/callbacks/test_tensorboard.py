import pytest
from rnd1_plugins.callbacks.tensorboard import Tensorboard
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rnd1lib.testing.callback import METRICS


def scalars(folder):
    """name -> [(step, value)], by tensorboard's own reader."""
    reader = EventAccumulator(str(folder))
    reader.Reload()
    return {name: [(event.step, event.value) for event in reader.Scalars(name)] for name in reader.Tags()["scalars"]}


def test_every_number_is_in_the_event_file_under_its_step(watched):
    run, board = watched(), Tensorboard()
    board.on_step(run, METRICS)
    run = watched(step=4)
    board.on_step(run, METRICS | {"step": 4, "loss": 6.0})
    board.on_evaluation(run, "held_out", {"nll": 5.5})
    board.on_end(run, None)
    found = scalars(run.folder / "tensorboard")
    assert found["loss"] == [(3, 6.25), (4, 6.0)] and found["held_out/nll"] == [(4, 5.5)]
    assert found["lr/attention"] == [(3, pytest.approx(3e-4)), (4, pytest.approx(3e-4))]
    assert found["masked"] == [(3, 200.0), (4, 200.0)]
    assert set(found) == (set(METRICS) - {"step", "lr"}) | {"lr/attention", "lr/rest", "held_out/nll"}


def test_a_run_that_goes_on_after_its_end_adds_to_its_curves(watched):
    board = Tensorboard()
    for step in (3, 4):
        run = watched(step=step)
        board.on_step(run, METRICS)
        board.on_end(run, None)
    assert [step for step, _ in scalars(run.folder / "tensorboard")["loss"]] == [3, 4]


def test_other_ranks_write_nothing(watched):
    run, board = watched(rank=1), Tensorboard()
    board.on_step(run, METRICS)
    board.on_evaluation(run, "held_out", {"nll": 5.5})
    board.on_end(run, None)
    assert not run.folder.exists()
