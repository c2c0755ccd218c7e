"""Texts on the way."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rnd1lib import generate
from rnd1lib.kinds import Callback, Run


@dataclass(frozen=True, kw_only=True)
class Sample(Callback):
    """Lets the model in training finish a prompt, so that one sees what it has learnt. Needs a tokenizer and a mask token."""

    prompt: str = "The "
    """What the texts begin with."""
    max_new_tokens: int = 48
    """How many tokens are filled in."""
    steps: int = 24
    """Denoising steps."""
    temperature: float = 0.0
    """0: the most probable tokens."""

    def __post_init__(self) -> None:
        for option in ("max_new_tokens", "steps"):
            if getattr(self, option) < 1:
                raise ValueError(f"{option}: {getattr(self, option)} is below 1.")

    def on_step(self, run: Run, metrics: Mapping[str, Any]) -> None:
        """Samples on every rank, since each holds a part of the model; rank 0 prints."""
        generation = generate(
            run.model(),
            [self.prompt],
            sampler="rnd1_entropy",
            max_new_tokens=self.max_new_tokens,
            steps=self.steps,
            temperature=self.temperature,
        )
        if run.rank == 0:
            print(f"step {run.step:>6}  sample: {generation.texts[0]!r}", file=sys.stderr, flush=True)
