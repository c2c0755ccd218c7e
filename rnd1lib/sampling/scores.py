"""What the model thinks of the positions asked about: passes over the vocabulary that are made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

ELEMENTS = 1 << 22  # of logits at a time: the temporaries of a pass then stay small beside the logits
NEVER = -200.0  # log-odds whose exp is exactly 0 in float32, yet finite, so that 0 * NEVER is 0 and no entropy is NaN


class Law(NamedTuple):
    """How tokens are drawn: temperature, then the top_k best tokens, then the smallest set of them that holds top_p.

    At temperature 0 the token is the best one and the probabilities are those of temperature 1, filtered.
    """

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None


PLAIN = Law()


class Kept(NamedTuple):
    """The tokens that a law leaves of n rows: log-odds against the best, their exp, and ids (None: all, in order)."""

    odds_nK: Tensor
    weights_nK: Tensor
    ids_nK: Tensor | None

    def log_prob(self, place_n1: Tensor) -> Tensor:
        """[n] of the token at `place_n1`."""
        return (self.odds_nK.gather(1, place_n1) - self.weights_nK.sum(-1, keepdim=True).log())[:, 0]

    def entropy(self) -> Tensor:
        """[n] in nats, as log Z - E[z]."""
        total_n = self.weights_nK.sum(-1)
        return total_n.log() - (self.weights_nK * self.odds_nK).sum(-1) / total_n

    def margin(self) -> Tensor:
        """[n] the probability of the best token less that of the second; that of the best where it is alone."""
        best_n2 = torch.nn.functional.pad(self.weights_nK, (0, 1)).topk(2).values
        return (best_n2[:, 0] - best_n2[:, 1]) / self.weights_nK.sum(-1)

    def best(self, k: int) -> tuple[Tensor, Tensor]:
        """[n, k] ids and probabilities of the k likeliest tokens where no filter was applied."""
        weights_nk, ids_nk = self.weights_nK.topk(k)
        return ids_nk, weights_nk / self.weights_nK.sum(-1, keepdim=True)

    def draw(self, uniform_n: Tensor) -> Tensor:
        """[n, 1] places drawn by inversion, in float64 so that rare tokens of a large vocabulary keep their share."""
        cumulative_nK = self.weights_nK.cumsum(-1, dtype=torch.float64)
        return torch.searchsorted(cumulative_nK, uniform_n[:, None] * cumulative_nK[:, -1:], right=True)


def keep(odds_nV: Tensor, law: Law) -> Kept:
    """Applies a law to log-odds [n, V], in place: 0 for the best token, -inf for what must not be drawn."""
    if law.temperature not in (0.0, 1.0):
        odds_nV /= max(law.temperature, 1e-8)
    odds_nK, ids_nK = odds_nV.clamp_(min=NEVER), None  # only now: a high temperature would bring -200 back into reach
    if law.top_k is not None:
        odds_nK, ids_nK = odds_nK.topk(min(law.top_k, odds_nK.shape[-1]))
    elif law.top_p is not None:
        odds_nK, ids_nK = odds_nK.sort(descending=True, stable=True)
    weights_nK = odds_nK.exp()
    if law.top_p is not None and law.top_p < 1:
        cumulative_nK = weights_nK.cumsum(-1)
        outside_nK = cumulative_nK - weights_nK >= law.top_p * cumulative_nK[:, -1:]
        odds_nK, weights_nK = odds_nK.masked_fill(outside_nK, NEVER), weights_nK.masked_fill(outside_nK, 0.0)
    return Kept(odds_nK, weights_nK, ids_nK)


class LazyScores:
    """The statistics of `rnd1lib.kinds.Scores`, each computed when it is first read.

    Whoever reads the entropy first gets token and log-probability out of the same pass.
    """

    def __init__(self, logits_NV: Tensor, mask_token_id: int, law: Law, uniform: Callable[[], Tensor]) -> None:
        self._logits_NV, self._mask_token_id, self._law, self._uniform = logits_NV, mask_token_id, law, uniform

    @property
    def token(self) -> Tensor:
        """[N] int64: the best token at temperature 0, else drawn; never the mask token."""
        return self._chosen[0]

    @property
    def log_prob(self) -> Tensor:
        """[N] of the token under the tempered, filtered distribution."""
        return self._chosen[1]

    @cached_property
    def entropy(self) -> Tensor:
        """[N] in nats, of the tempered, filtered distribution."""
        if "_chosen" in self.__dict__:
            return self._pass(self._law, lambda kept, _: (kept.entropy(),))[0]
        token_N, log_prob_N, entropy_N = self._pass(self._law, lambda kept, rows: (*self._choose(kept, rows), kept.entropy()))
        self.__dict__["_chosen"] = (token_N, log_prob_N)
        return entropy_N

    @cached_property
    def plain_log_prob(self) -> Tensor:
        """[N] of the token, untempered and unfiltered."""
        if self._law in (PLAIN, PLAIN._replace(temperature=1.0)):
            return self.log_prob
        return self._pass(PLAIN, lambda kept, rows: (kept.log_prob(self.token[rows, None]),))[0]

    @cached_property
    def margin(self) -> Tensor:
        """[N] the probability of the best token less that of the second, of the tempered, filtered distribution."""
        return self._pass(self._law, lambda kept, _: (kept.margin(),))[0]

    def best(self, k: int) -> tuple[Tensor, Tensor]:
        """The k likeliest tokens, best first, untempered and unfiltered: ids [N, k] (int64) and probabilities [N, k].

        The mask token is none of them, so that there are fewer where the vocabulary has no k others. For observers.
        """
        k = min(k, self._logits_NV.shape[1] - 1)
        ids_Nk, probability_Nk = self._pass(PLAIN, lambda kept, _: kept.best(k))
        return ids_Nk, probability_Nk

    def plain(self, rows_N: Tensor) -> LazyScores:
        """The scores of some rows (bool [N]), untempered and unfiltered, from the same logits. For observers."""
        return LazyScores(self._logits_NV[rows_N], self._mask_token_id, PLAIN, self._uniform)

    @cached_property
    def _chosen(self) -> tuple[Tensor, ...]:
        return self._pass(self._law, self._choose)

    @cached_property
    def _uniform_N(self) -> Tensor:
        return self._uniform()

    def _choose(self, kept: Kept, rows: slice) -> tuple[Tensor, Tensor]:
        if self._law.temperature == 0:
            place_n1 = kept.odds_nK.argmax(-1, keepdim=True)
        else:
            place_n1 = kept.draw(self._uniform_N[rows])
        token_n1 = place_n1 if kept.ids_nK is None else kept.ids_nK.gather(1, place_n1)
        return token_n1[:, 0], kept.log_prob(place_n1)

    def _pass(self, law: Law, statistics: Callable[[Kept, slice], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        """Applies `statistics` to a few rows at a time, under `law` and with the mask token ruled out."""
        rows, vocabulary = self._logits_NV.shape
        size = max(1, ELEMENTS // vocabulary)
        parts = []
        for start in range(0, rows, size):
            odds_nV = self._logits_NV[start : start + size].to(torch.float32, copy=True)
            odds_nV[:, self._mask_token_id] = -torch.inf
            odds_nV -= odds_nV.amax(-1, keepdim=True)
            parts.append(statistics(keep(odds_nV, law), slice(start, start + size)))
        return tuple(torch.cat(part) for part in zip(*parts, strict=True))
