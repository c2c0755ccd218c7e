"""A sampler that asks for much confidence at first and for less with every step."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from rnd1lib.kinds import Decision, Parity, View


@dataclass(frozen=True, kw_only=True)
class FallingFloor:
    """Commits every token that is surer than a floor, and the surest of each row in any case.

    The floor falls evenly from `start` to 0, which it reaches at the last step: floor(k) = start (1 - (k + 1) / steps).
    """

    parity: ClassVar[Parity | None] = None  # no option: there is no other program's rounding to copy

    steps: int | None = 16
    """Forward passes in all, split evenly over the blocks; None: one for each token, or fewer where the rule allows."""
    block_length: int | None = None
    """Blocks are filled from left to right; None: one block."""
    temperature: float = 0.0
    """0 takes the best token; above, tokens are drawn from softmax(logits / temperature)."""
    top_k: int | None = None
    """Only the k best tokens; None: all."""
    top_p: float | None = None
    """Only the smallest set of tokens that holds this much probability; None: all."""
    start: float = 0.9
    """The probability asked for before the first step, in [0, 1]."""

    def __post_init__(self) -> None:
        if not 0 <= self.start <= 1:
            raise ValueError(f"start: {self.start} is outside [0, 1].")

    def decide(self, view: View) -> Decision:
        """What is surer than the floor of this step."""
        scores = view.scores(self.temperature, self.top_k, self.top_p)
        sure_N = scores.plain_log_prob.exp()  # near temperature 0 all are sure of what they draw
        best_B = torch.zeros(len(view.ids_BL)).to(sure_N).scatter_reduce(0, view.sequence_N, sure_N, "amax")
        floor = self.start * (1 - (view.step + 1) / view.steps)
        return Decision((sure_N >= floor) | (sure_N == best_B[view.sequence_N]), scores.token)
