"""LLaDA's sampler: an even quota a step, by confidence or at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rnd1_plugins.samplers.options import SamplerOptions
from rnd1_plugins.samplers.quota import even_quota
from rnd1lib.diffusion.ranking import counts, ranks
from rnd1lib.kinds import Decision, View


@dataclass(frozen=True, kw_only=True)
class Llada(SamplerOptions):
    """Commits an even share of a block's masks at each step.

    `low_confidence`: the positions whose token has the highest plain probability, floor(M / N) of M a step and one more in
    the first M mod N of N steps. `random`: each masked position alone with probability 1 - (1 - alpha(s)) / (1 - alpha(t)),
    the reverse process itself. Source: Nie et al. 2025, "Large Language Diffusion Models", Algorithms 4 and 5.
    """

    remasking: Literal["low_confidence", "random"] = "low_confidence"
    """Which positions stay masked: the least sure, or any."""
    parity: Literal["llada", "dllm"] | None = None
    """`llada`: `random` draws as many positions as the quota says, as the released code does (and Fast-dLLM's).
    `dllm`: the quota of a step is the expected number, rounded half to even."""

    def decide(self, view: View) -> Decision:
        """Commits this step's share."""
        if self.remasking == "random" and self.parity is None:
            return Decision(view.uniform("commit") >= view.stay_B[view.sequence_N], None)
        quota_N = self._quota(view)[view.sequence_N]
        if self.remasking == "random":
            return Decision(ranks(view.uniform("commit"), view.sequence_N) < quota_N, None)
        if not bool((quota_N > 0).any()):
            return Decision(quota_N > 0, None)
        scores = view.scores(self.temperature, self.top_k, self.top_p)
        return Decision(ranks(scores.plain_log_prob, view.sequence_N) < quota_N, scores.token)

    def _quota(self, view: View) -> Tensor:
        """[B] positions to commit at this step."""
        if self.parity == "dllm":
            return torch.round(counts(view.sequence_N, len(view.ids_BL)) * (1 - view.stay_B)).long()
        return even_quota(view)
