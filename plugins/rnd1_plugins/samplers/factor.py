"""Fast-dLLM's factor rule: the more positions a step commits, the surer each must be."""

from __future__ import annotations

from dataclasses import dataclass

from rnd1_plugins.samplers.options import SamplerOptions
from rnd1lib.diffusion.ranking import ranks
from rnd1lib.kinds import Decision, View


@dataclass(frozen=True, kw_only=True)
class Factor(SamplerOptions):
    """Commits the n best positions of a sequence for the largest n with (n + 1)(1 - p_n) <= factor, one at least.

    p_n is the n-th highest plain probability. At factor 1 the tokens are those that greedy decoding one by one would give
    where the conditionals agree (Wu et al. 2025, "Fast-dLLM", theorem 1). The n-th position alone needs p_n >= 1 - factor /
    (n + 1), which rises with n while p_n falls, so the positions that pass are the n best: peers that test each agree.
    """

    factor: float = 1.0
    """0 commits one token a step unless more are certain; 2 and above commits all whose probability allows."""
    parity: None = None
    """No peer differs."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.factor < float("inf"):
            raise ValueError(f"factor: {self.factor} is not a finite number of 0 or more.")

    def decide(self, view: View) -> Decision:
        """Commits the best few."""
        scores = view.scores(self.temperature, self.top_k, self.top_p)
        rank_N = ranks(scores.plain_log_prob, view.sequence_N)
        passes_N = scores.plain_log_prob.exp() >= 1 - self.factor / (rank_N + 2)
        return Decision(passes_N | (rank_N == 0), scores.token)
