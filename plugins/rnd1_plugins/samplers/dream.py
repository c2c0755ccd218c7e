"""Dream's sampler: four orders in which to commit, with chance in the order if wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rnd1_plugins.samplers.narrower import Narrower
from rnd1_plugins.samplers.options import SamplerOptions
from rnd1_plugins.samplers.quota import even_quota
from rnd1lib.diffusion.ranking import counts, ranks
from rnd1lib.kinds import Decision, Scores, View


@dataclass(frozen=True, kw_only=True)
class Dream(SamplerOptions):
    """Commits at random, or an even share of a block's masks in the order of a confidence.

    `origin`: each masked position alone with probability 1 - s/t, for times from 1 to eps in equal steps; the last step
    commits all. `maskgit_plus`: the highest probability of the token first; `topk_margin`: the highest lead of the best token
    over the second; `entropy`: the lowest entropy; each plain, of temperature 1 and all tokens. Source: Ye et al. 2025,
    "Dream 7B: Diffusion Large Language Models", `diffusion_generate`.
    """

    alg: Literal["origin", "maskgit_plus", "topk_margin", "entropy"] = "origin"
    """The order."""
    alg_temp: float | None = None
    """Draws positions without replacement from softmax(confidence / alg_temp) instead of taking the best; 0, None: off."""
    eps: float = 1e-3
    """The time at which the last step ends; in [0, 1). Of `origin`, and of the quotas under parity."""
    parity: Literal["dream"] | None = None
    """`dream`: a step's number is int(M (1 - s/t)) of the M masks that are left, in float32, so that early steps may commit
    nothing and the last one all that is left over; the order is that of the tempered, filtered distribution, for which
    top_p is of all tokens and not of the top_k best."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.alg_temp is not None and not 0 <= self.alg_temp < float("inf"):
            raise ValueError(f"alg_temp: {self.alg_temp} is not a finite number of 0 or more.")
        if not 0 <= self.eps < 1:
            raise ValueError(f"eps: {self.eps} is outside [0, 1).")

    def decide(self, view: View) -> Decision:
        """Commits this step's share."""
        if self.alg == "origin":
            return Decision(view.uniform("commit") < self._rate(view).to(view.position_N.device), None)
        quota_N = self._quota(view)[view.sequence_N]
        if not bool((quota_N > 0).any()):
            return Decision(quota_N > 0, None)
        scores = self.scores(view)
        return Decision(ranks(self._order(view, scores), view.sequence_N) < quota_N, scores.token)

    def scores(self, view: View) -> Scores:
        """Scores of the tokens that are drawn; Dream filters all tokens by top_p, and what that leaves by top_k."""
        if self.parity is None or self.top_k is None or self.top_p is None:
            return view.scores(self.temperature, self.top_k, self.top_p)
        return Narrower(view.scores(self.temperature, self.top_k), view.scores(self.temperature, None, self.top_p))

    def _rate(self, view: View) -> Tensor:
        """0-d float32 1 - s/t; 1 at the last step."""
        times = torch.linspace(1, self.eps, view.steps + 1)
        return 1 - times[view.step + 1] / times[view.step] if view.step + 1 < view.steps else torch.tensor(1.0)

    def _quota(self, view: View) -> Tensor:
        """[B] positions to commit at this step."""
        if self.parity is None:
            return even_quota(view)
        left_B = counts(view.sequence_N, len(view.ids_BL))
        return (left_B * self._rate(view).to(left_B.device)).long()

    def _order(self, view: View, scores: Scores) -> Tensor:
        """[N] the confidence, or with alg_temp a Gumbel draw: its best few are drawn without replacement."""
        ranking = scores if self.parity == "dream" else view.scores(0.0)
        if self.alg == "maskgit_plus":
            confidence_N = (scores.log_prob if self.parity == "dream" else scores.plain_log_prob).exp()
        else:
            confidence_N = ranking.margin if self.alg == "topk_margin" else -ranking.entropy
        if not self.alg_temp:
            return confidence_N
        return confidence_N / max(self.alg_temp, 1e-8) - (-view.uniform("order").log()).log()
