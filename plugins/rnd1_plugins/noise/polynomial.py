"""The polynomial schedules."""

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Polynomial:
    """Masks little for longer (power above 1) or much sooner (below 1) than the linear schedule, which is power 1.

    Mask probability t^power; the weight of the bound is power / t (Arriola et al. 2025, "Block Diffusion", with the powers 2
    and 1/2).
    """

    power: float = 2.0
    """The exponent; above 0."""

    def __post_init__(self) -> None:
        if not 0 < self.power < math.inf:
            raise ValueError(f"power: {self.power} is not a finite number above 0.")

    def alpha(self, t: Tensor) -> Tensor:
        """1 - t^power."""
        return 1 - t.pow(self.power)

    def alpha_prime(self, t: Tensor) -> Tensor:
        """-power t^(power - 1)."""
        return -self.power * t.pow(self.power - 1)
