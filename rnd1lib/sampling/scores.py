"""What the model thinks of the positions asked about: one pass over the vocabulary for what is read first, and no more."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from rnd1lib.errors import NumericalError
from rnd1lib.sampling.law import Law, first_highest, highest, keep, padded

ELEMENTS_OF_CPU = 1 << 20  # logits at a time, so that what a chunk writes stays in the cache
ELEMENTS = 1 << 24  # elsewhere: enough to keep an accelerator busy, little beside the logits
PLAIN = Law()
Statistic = Literal["token", "log_prob", "plain_log_prob", "entropy", "margin"]


class Chunk(NamedTuple):
    """A few rows: which, their log-odds against the best token, its id, and room for as many weights.

    P: the vocabulary padded to whole blocks; the mask token and the padding have log-odds -inf.
    """

    rows: slice
    odds_nP: Tensor
    best_n1: Tensor
    room_nP: Tensor


class LazyScores:
    """The statistics of `rnd1lib.kinds.Scores`, each computed when it is first read, on [N, V] logits left as they are.

    The pass for any of them gives the token and its log-probability too: a sampler that reads the statistic that it orders
    by before the token pays for one pass. `uniform` gives [N] numbers in [0, 1), and is called if a token is drawn.
    NumericalError: a row's best logit is not finite, or one of them is no number.
    """

    def __init__(self, logits_NV: Tensor, mask_token_id: int, law: Law, uniform: Callable[[], Tensor]) -> None:
        self._logits_NV, self._mask_token_id = logits_NV.detach(), mask_token_id
        self._law, self._uniform = law, uniform
        self._known: dict[Statistic, Tensor] = {}

    @property
    def token(self) -> Tensor:
        """[N] int64: the best token at temperature 0, else drawn; never the mask token."""
        return self._read("token")

    @property
    def log_prob(self) -> Tensor:
        """[N] of the token under the tempered, filtered distribution."""
        return self._read("log_prob")

    @property
    def plain_log_prob(self) -> Tensor:
        """[N] of the token, untempered and unfiltered."""
        return self._read("log_prob" if self._law.plain else "plain_log_prob")

    @property
    def entropy(self) -> Tensor:
        """[N] in nats, of the tempered, filtered distribution."""
        return self._read("entropy")

    @property
    def margin(self) -> Tensor:
        """[N] the probability of the best token less that of the second, of the tempered, filtered distribution."""
        return self._read("margin")

    def best(self, k: int) -> tuple[Tensor, Tensor]:
        """The k likeliest tokens, best first, untempered and unfiltered: ids [N, k] (int64) and probabilities [N, k].

        The mask token is none of them, so that there are fewer where the vocabulary has no k others. For observers.
        """
        k = min(k, self._logits_NV.shape[1] - 1)
        ids, probabilities = [], []
        for chunk in self._chunks():
            ids.append(highest(chunk.odds_nP, k)[1])
            probabilities.append(torch.softmax(chunk.odds_nP, -1, out=chunk.room_nP).gather(1, ids[-1]))
        return torch.cat(ids), torch.cat(probabilities)

    def plain(self, rows_N: Tensor) -> LazyScores:
        """The scores of some rows (bool [N]), untempered and unfiltered, from the same logits. For observers."""
        return LazyScores(self._logits_NV[rows_N], self._mask_token_id, PLAIN, self._uniform)

    @cached_property
    def _uniform_N(self) -> Tensor:
        return self._uniform()

    def _read(self, name: Statistic) -> Tensor:
        if name not in self._known:
            self._known.update(self._pass(name))
        return self._known[name]

    def _pass(self, name: Statistic) -> dict[Statistic, Tensor]:
        """Token, log-probability and the statistic `name` of all rows."""
        parts = [self._statistics(chunk, name) for chunk in self._chunks()]
        return parts[0] if len(parts) == 1 else {each: torch.cat([part[each] for part in parts]) for each in parts[0]}

    def _statistics(self, chunk: Chunk, name: Statistic) -> dict[Statistic, Tensor]:
        rows, odds_nP, best_n1, room_nP = chunk
        if name == "plain_log_prob":
            plain_n1 = torch.softmax(odds_nP, -1, out=room_nP).gather(1, best_n1).log()
        kept = keep(odds_nP, best_n1, self._law, room_nP)
        token_n1, log_prob_n1 = best_n1, kept.log_prob_of_best()
        if self._law.temperature > 0:
            place_n1 = kept.draw(self._uniform_N[rows])
            token_n1 = place_n1 if kept.ids_nK is None else kept.ids_nK.gather(1, place_n1)
            log_prob_n1 = log_prob_n1 + kept.odds_nK.gather(1, place_n1)
        found: dict[Statistic, Tensor] = {"token": token_n1[:, 0], "log_prob": log_prob_n1[:, 0]}
        if name == "plain_log_prob":
            logits_nV = self._logits_NV[rows]
            less_n1 = logits_nV.gather(1, token_n1).float() - logits_nV.gather(1, best_n1).float()
            found[name] = (plain_n1 + less_n1)[:, 0]
        elif name in ("entropy", "margin"):
            found[name] = kept.entropy() if name == "entropy" else kept.margin()
        return found

    def _chunks(self) -> Iterator[Chunk]:
        """All rows, a few at a time, one chunk at least; each overwrites the one before."""
        (count, vocabulary), device = self._logits_NV.shape, self._logits_NV.device
        width = padded(vocabulary)
        size = min(max(1, (ELEMENTS_OF_CPU if device.type == "cpu" else ELEMENTS) // width), max(1, count))
        odds_nP, room_nP = torch.empty(2, size, width, device=device)
        for start in range(0, max(1, count), size):
            logits_nV = self._logits_NV[start : start + size]
            odds_nP, room_nP = odds_nP[: len(logits_nV)], room_nP[: len(logits_nV)]
            odds_nP[:, :vocabulary] = logits_nV
            if width > vocabulary:
                odds_nP[:, vocabulary:] = -torch.inf
            odds_nP[:, self._mask_token_id] = -torch.inf
            highest_n1, best_n1 = first_highest(odds_nP)
            if not math.isfinite(highest_n1.sum(dtype=torch.float64)):  # which finite float32 numbers cannot exceed
                raise NumericalError("The model's logits are not finite numbers: its weights or a huge guidance overflow.")
            yield Chunk(slice(start, start + size), odds_nP.sub_(highest_n1), best_n1, room_nP)
