"""What a callback promises: it takes every event of a run, changes nothing, and does not make one rank wait for another."""

from __future__ import annotations

import copy
import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from rnd1lib.kinds import Callback, Run
from rnd1lib.testing.evaluator import InTraining
from rnd1lib.testing.promise import demand, promise
from rnd1lib.testing.purity import no_process_rng

METRICS = {
    "step": 3,
    "loss": 6.25,
    "tokens": 512,
    "masked": 200,
    "grad_norm": 1.5,
    "lr": {"attention": 3e-4, "rest": 1e-8},
    "packed": 0.9912,
    "tokens_per_second": 1024.0,
}
PASSED_OVER = METRICS | {"loss": None, "skipped": True}


@dataclass(frozen=True)
class Example:
    """A run of ten steps on two ranks, after its third step."""

    folder: Path
    rank: int = 0
    ranks: int = 2
    step: int = 3
    steps: int = 10
    recipe: dict[str, Any] = field(default_factory=lambda: {"about": "an example", "run": {"folder": "runs/example"}})
    network: InTraining = field(default_factory=InTraining)

    def model(self) -> InTraining:
        """Asked for as often as a callback wants."""
        return self.network


class Seen(NamedTuple):
    """What a run was like afterwards."""

    run: Example
    stdout: str
    stderr: str
    metrics: dict[str, Any]


def watched(callback: Callback, *, rank: int = 0, error: BaseException | None = None) -> Seen:
    """A run with every event, seen by the callback."""
    out, err, metrics = io.StringIO(), io.StringIO(), copy.deepcopy(METRICS)
    with TemporaryDirectory() as folder, redirect_stdout(out), redirect_stderr(err):
        example = Example(Path(folder), rank)
        run: Run = example  # type: ignore[assignment]
        callback.on_start(run)
        callback.on_step(run, metrics)
        callback.on_step(run, PASSED_OVER | {"lr": metrics["lr"]})
        callback.on_evaluation(run, "held_out", {"nll": 5.5})
        callback.on_checkpoint(run, Path(folder) / "checkpoints" / "step-3")
        callback.on_end(run, error)
    return Seen(example, out.getvalue(), err.getvalue(), metrics)


@promise
def it_is_a_callback_that_takes_every_event(callback: Callback) -> None:
    """Each event of `Callback`, a step that was passed over included, on every rank, after a success and after an error."""
    demand(isinstance(callback, Callback), f"{type(callback).__name__} is no subclass of rnd1lib.kinds.Callback.")
    for rank in (0, 1):
        for error in (None, KeyboardInterrupt()):
            watched(callback, rank=rank, error=error)


@promise
def a_callback_changes_nothing(callback: Callback) -> None:
    """Metrics and recipe stay as they are, no generator of the process is used: with it and without it a run is the same."""
    with no_process_rng():
        seen = watched(callback)
    demand(seen.metrics == METRICS, f"the metrics became {seen.metrics}.")
    demand(seen.run.recipe == Example(Path()).recipe, f"the recipe became {seen.run.recipe}.")


@promise
def rank_0_alone_speaks_and_on_stderr(callback: Callback) -> None:
    """stdout belongs to texts; what several ranks say at once nobody can read."""
    first, second = watched(callback), watched(callback, rank=1)
    demand(not first.stdout and not second.stdout, f"stdout holds {(first.stdout or second.stdout)!r}.")
    demand(not second.stderr, f"rank 1 says {second.stderr!r}.")


@promise
def every_rank_makes_the_same_calls_of_the_model(callback: Callback) -> None:
    """Each rank holds a part of the weights: a call that one rank alone makes waits for the others for ever."""
    first, second = (watched(callback, rank=rank).run.network for rank in (0, 1))
    demand(first.asked == second.asked, f"rank 0 asks the model for {first.asked} rows, rank 1 for {second.asked}.")
