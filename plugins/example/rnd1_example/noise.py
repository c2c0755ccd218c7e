"""A schedule that masks early: most tokens are gone long before t = 1."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Exponential:
    """Exponential decay, scaled so that all tokens are clean at t = 0 and all are masked at t = 1.

    alpha(t) = (exp(-rate t) - exp(-rate)) / (1 - exp(-rate)). The smaller the rate, the closer to `linear`.
    """

    rate: float = 2.0
    """How fast tokens go at first; above 0."""

    def __post_init__(self) -> None:
        if not self.rate > 0:
            raise ValueError(f"rate: {self.rate} is not above 0.")

    def alpha(self, t: Tensor) -> Tensor:
        """The probability that a token is clean at time t."""
        return (torch.exp(-self.rate * t) - math.exp(-self.rate)) / -math.expm1(-self.rate)

    def alpha_prime(self, t: Tensor) -> Tensor:
        """Its derivative with respect to t."""
        return -self.rate * torch.exp(-self.rate * t) / -math.expm1(-self.rate)
