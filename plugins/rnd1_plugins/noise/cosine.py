"""The cosine schedules, of which the literature has two."""

import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """Spends more of its time at high (md4) or at low (mdlm) noise than the linear schedule.

    Mask probability: md4 (1 - eps) sin(pi t / 2) (Shi et al. 2024; dllm), mdlm (1 - eps)(1 - cos(pi t / 2)) (Sahoo et al.
    2024). The two are each other's mirror image in time and value.
    """

    variant: Literal["md4", "mdlm"] = "md4"
    """Which of the two."""
    eps: float = 1e-3
    """The probability that a token is still clean at t = 1; in [0, 1)."""

    def __post_init__(self) -> None:
        if not 0 <= self.eps < 1:
            raise ValueError(f"eps: {self.eps} is outside [0, 1).")

    def alpha(self, t: Tensor) -> Tensor:
        """1 less the mask probability."""
        angle = t * (math.pi / 2)
        return 1 - (1 - self.eps) * (angle.sin() if self.variant == "md4" else 1 - angle.cos())

    def alpha_prime(self, t: Tensor) -> Tensor:
        """The derivative of `alpha`."""
        angle = t * (math.pi / 2)
        return -(1 - self.eps) * (math.pi / 2) * (angle.cos() if self.variant == "md4" else angle.sin())
