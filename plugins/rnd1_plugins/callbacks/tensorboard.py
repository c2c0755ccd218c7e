"""Curves for TensorBoard."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rnd1lib.kinds import Callback, Run


@dataclass(frozen=True, kw_only=True)
class Tensorboard(Callback):
    """Writes every number of a step and of an evaluation to `tensorboard/` in the run folder. Rank 0 alone writes."""

    def on_step(self, run: Run, metrics: Mapping[str, Any]) -> None:
        """loss, grad_norm, tokens, masked, and `lr/GROUP` for each group."""
        self._write(run, dict(_flat(metrics)))

    def on_evaluation(self, run: Run, name: str, metrics: Mapping[str, float]) -> None:
        """Each figure under the evaluator's name."""
        self._write(run, {f"{name}/{key}": value for key, value in metrics.items()})

    def on_end(self, run: Run, error: BaseException | None) -> None:
        """Writes what is still in memory."""
        if run.rank == 0:
            _writer(run.folder).close()

    def _write(self, run: Run, scalars: Mapping[str, float]) -> None:
        if run.rank == 0:
            for name, value in scalars.items():
                _writer(run.folder).add_scalar(name, value, run.step)


@cache
def _writer(folder: Path) -> Any:
    """One event file a process and run: a writer starts a thread, and closing one leaves it usable."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder / "tensorboard"))


def _flat(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for key, value in metrics.items():
        if isinstance(value, Mapping):
            yield from ((f"{key}/{inner}", number) for inner, number in value.items())
        elif key != "step" and value is not None:
            yield key, value
