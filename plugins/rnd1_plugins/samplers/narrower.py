"""Two filters at once, as Dream applies them: each to all tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from rnd1lib.kinds import Scores

Statistic = Literal["token", "log_prob", "plain_log_prob", "entropy", "margin"]


@dataclass(frozen=True)
class Narrower:
    """Scores under the filter that leaves fewer tokens, position by position; fulfils `rnd1lib.kinds.Scores`.

    Both leave the best tokens, so the fewer lie within the others, and have the lower entropy.
    """

    one: Scores
    other: Scores

    @property
    def token(self) -> Tensor:
        """[N] int64."""
        return self._of("token")

    @property
    def log_prob(self) -> Tensor:
        """[N] of the token under the narrower distribution."""
        return self._of("log_prob")

    @property
    def plain_log_prob(self) -> Tensor:
        """[N] of the token, untempered and unfiltered."""
        return self._of("plain_log_prob")

    @property
    def entropy(self) -> Tensor:
        """[N] in nats, of the narrower distribution."""
        return self._of("entropy")

    @property
    def margin(self) -> Tensor:
        """[N] the probability of the best token less that of the second, of the narrower distribution."""
        return self._of("margin")

    def _of(self, name: Statistic) -> Tensor:
        narrower_N = self.one.entropy <= self.other.entropy
        one_N: Tensor = getattr(self.one, name)
        other_N: Tensor = getattr(self.other, name)
        return one_N.where(narrower_N, other_N)
