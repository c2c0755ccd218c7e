"""The contract of a callback: it watches a run and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rnd1lib.kinds.evaluator import ModelInTraining


class Run(Protocol):
    """What a callback may read of the run. `step` counts finished steps; `recipe` is the resolved tree as plain data."""

    @property
    def step(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def rank(self) -> int: ...
    @property
    def ranks(self) -> int: ...
    @property
    def folder(self) -> Path: ...
    @property
    def recipe(self) -> Mapping[str, Any]: ...

    def model(self) -> ModelInTraining:
        """The model as it stands; every rank must make the same calls on it."""


class Callback:
    """Subclass it as a frozen dataclass and override what you need. Called on every rank; an exception stops the run."""

    def on_start(self, run: Run) -> None:
        """Before the first step, or the first one after a resume."""

    def on_step(self, run: Run, metrics: Mapping[str, Any]) -> None:
        """After every `every`-th step: the line that goes to metrics.jsonl.

        Where the step was passed over, `skipped` is True, and `loss` or `grad_norm`, whichever was not finite, is None.
        """

    def on_evaluation(self, run: Run, name: str, metrics: Mapping[str, float]) -> None:
        """After the evaluator that the recipe calls `name`: its figures."""

    def on_checkpoint(self, run: Run, path: Path) -> None:
        """After a checkpoint was written whole."""

    def on_end(self, run: Run, error: BaseException | None) -> None:
        """At the end, with what ended it early."""
