"""One line a step on stderr."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rnd1lib.kinds import Callback, Run


@dataclass(frozen=True, kw_only=True)
class Console(Callback):
    """Says how the run goes: step, loss, gradient norm, learning rates, tokens a second, the share of places that hold text.

    Rank 0 alone speaks.
    """

    def on_start(self, run: Run) -> None:
        """Where the run stands, if there is anything left to do."""
        if run.step < run.steps:
            self._say(run, f"{run.folder}: from step {run.step + 1} to {run.steps} on {run.ranks} rank{'s' * (run.ranks > 1)}")

    def on_step(self, run: Run, metrics: Mapping[str, Any]) -> None:
        """The line."""
        rates = " ".join(f"{name} {lr:.1e}" for name, lr in metrics["lr"].items())
        loss, norm = (math.nan if metrics[name] is None else metrics[name] for name in ("loss", "grad_norm"))
        packed = f"  {metrics['packed']:.1%} packed" if "packed" in metrics else ""
        passed_over = "  passed over: not finite" if metrics.get("skipped") else ""
        self._say(
            run,
            f"step {metrics['step']:>6}  loss {loss:8.4f}  grad {norm:8.3f}  lr {rates}  "
            f"{metrics['tokens_per_second']:,.0f} tokens/s{packed}{passed_over}",
        )

    def on_evaluation(self, run: Run, name: str, metrics: Mapping[str, float]) -> None:
        """What an evaluator found."""
        self._say(run, f"step {run.step:>6}  {name}: " + "  ".join(f"{key} {value:.4f}" for key, value in metrics.items()))

    def on_checkpoint(self, run: Run, path: Any) -> None:
        """Where it lies."""
        self._say(run, f"step {run.step:>6}  saved {path}")

    def _say(self, run: Run, line: str) -> None:
        if run.rank == 0:
            print(line, file=sys.stderr, flush=True)
