"""RND1's sampler: commit where the model is sure, by entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rnd1_plugins.samplers.options import SamplerOptions
from rnd1lib.diffusion.ranking import counts, ranks
from rnd1lib.kinds import Decision, Scores, View


@dataclass(frozen=True, kw_only=True)
class Rnd1Entropy(SamplerOptions):
    """Keeps the positions of highest entropy masked and commits the rest.

    After step k of N, floor(M (N - k) / N) of a block's M positions stay masked: those of highest entropy. With `eb_gamma`
    the number is not fixed: positions are taken in the order of falling probability of their token while cumsum(H) -
    cummax(H) <= gamma, which bounds how much the tokens of one step can depend on each other (Ben-Hamu et al. 2025,
    "Accelerated Sampling from Masked Diffusion Models via Entropy Bounded Unmasking"). Entropies and probabilities are plain.
    Source: RND1, `diffusion_sample`.
    """

    eb_gamma: float | None = None
    """The bound in nats of the entropy-bounded rule; 0 commits one token a step, None turns it off."""
    parity: Literal["rnd1"] | None = None
    """`rnd1`: the floor in float32 as RND1 has it, entropies and probabilities of the tempered, filtered distribution, and the
    last of `max_new_tokens` kept for an end-of-text."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.eb_gamma is not None and not 0 <= self.eb_gamma < float("inf"):
            raise ValueError(f"eb_gamma: {self.eb_gamma} is not a finite number of 0 or more.")

    def decide(self, view: View) -> Decision:
        """Commits the surest positions with the tokens of this step."""
        if self.eb_gamma is not None:
            return self._entropy_bounded(view, self.eb_gamma)
        left_B = counts(view.sequence_N, len(view.ids_BL))
        quota_N = (left_B - self._stay_masked(view))[view.sequence_N]
        if not bool((quota_N > 0).any()):
            return Decision(quota_N > 0, None)
        scores = view.scores(self.temperature, self.top_k, self.top_p)
        return Decision(ranks(-self._entropy(view, scores), view.sequence_N) < quota_N, scores.token)

    def _entropy(self, view: View, scores: Scores) -> Tensor:
        """[N] what ranks: a temperature near 0 or a nucleus of one would make it 0 everywhere, so it is the plain one."""
        return scores.entropy if self.parity == "rnd1" else view.scores(0.0).entropy

    def _stay_masked(self, view: View) -> Tensor:
        """[B] how many of each row's block stay masked after this step."""
        remaining = view.steps - view.step - 1
        if self.parity == "rnd1":
            return (view.masked_at_start_B * (remaining / view.steps)).long()
        steps_B = view.masked_at_start_B.clamp(max=view.steps)  # more steps than tokens are no use
        return view.masked_at_start_B * (steps_B - view.step - 1).clamp(min=0) // steps_B

    def _entropy_bounded(self, view: View, gamma: float) -> Decision:
        scores = view.scores(self.temperature, self.top_k, self.top_p)
        entropy_N = self._entropy(view, scores)
        confidence_N = scores.log_prob if self.parity == "rnd1" else scores.plain_log_prob
        rank_N = ranks(confidence_N, view.sequence_N)
        entropy_BR = entropy_N.new_zeros(len(view.ids_BL), int(rank_N.max()) + 1)
        entropy_BR[view.sequence_N, rank_N] = entropy_N
        within_BR = entropy_BR.cumsum(1) - torch.cummax(entropy_BR, 1).values <= gamma
        return Decision(within_BR[view.sequence_N, rank_N] | (rank_N == 0), scores.token)
