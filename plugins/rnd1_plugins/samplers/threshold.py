"""Fast-dLLM's parallel decoding: commit all that is sure enough."""

from __future__ import annotations

from dataclasses import dataclass

from rnd1_plugins.samplers.options import SamplerOptions
from rnd1lib.diffusion.ranking import ranks
from rnd1lib.kinds import Decision, View


@dataclass(frozen=True, kw_only=True)
class Threshold(SamplerOptions):
    """Commits every position whose token has at least the probability `threshold`, and always the best one of a sequence.

    The number of steps follows from the text: easy parts take few. The probability is the plain one, of temperature 1 and
    all tokens. Source: Wu et al. 2025, "Fast-dLLM", section 3.3 (confidence-aware parallel decoding).
    """

    threshold: float = 0.9
    """In [0, 1]; 0 commits a whole block at once, 1 almost always one token a step."""
    parity: None = None
    """No peer differs."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold: {self.threshold} is outside [0, 1].")

    def decide(self, view: View) -> Decision:
        """Commits what is sure enough."""
        scores = view.scores(self.temperature, self.top_k, self.top_p)
        best_N = ranks(scores.plain_log_prob, view.sequence_N) == 0
        return Decision(best_N | (scores.plain_log_prob.exp() >= self.threshold), scores.token)
