"""A run as a callback sees it, without a run."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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


@dataclass
class Watched:
    folder: Path
    rank: int = 0
    ranks: int = 2
    step: int = 3
    steps: int = 10
    recipe: dict[str, Any] = field(default_factory=dict)
    network: Any = None

    def model(self):
        return self.network
