"""The squared cosine schedule."""

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class CosineSquared:
    """Spends more of its time near both ends than the linear schedule, and crosses the middle faster.

    Mask probability (1 - eps)(1 - cos^2(pi t / 2)) (Sahoo et al. 2024, the schedule `cosinesqr` of MDLM's code).
    """

    eps: float = 1e-3
    """The probability that a token is still clean at t = 1; in [0, 1)."""

    def __post_init__(self) -> None:
        if not 0 <= self.eps < 1:
            raise ValueError(f"eps: {self.eps} is outside [0, 1).")

    def alpha(self, t: Tensor) -> Tensor:
        """1 - (1 - eps) sin^2(pi t / 2): the sine keeps the digits of small t that 1 - cos^2 would lose."""
        return 1 - (1 - self.eps) * (t * (math.pi / 2)).sin().square()

    def alpha_prime(self, t: Tensor) -> Tensor:
        """-(1 - eps) (pi / 2) sin(pi t)."""
        return -(1 - self.eps) * (math.pi / 2) * (t * math.pi).sin()
