"""The log-linear schedule."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class LogLinear:
    """The linear schedule with a rest of clean tokens at its end; the weight of the bound is still 1/t.

    Mask probability (1 - eps) t, so the total noise sigma = -log(1 - (1 - eps) t) stays finite (Lou et al. 2024, "Discrete
    Diffusion Modeling by Estimating the Ratios of the Data Distribution"; MDLM's default).
    """

    eps: float = 1e-3
    """The probability that a token is still clean at t = 1; in [0, 1)."""

    def __post_init__(self) -> None:
        if not 0 <= self.eps < 1:
            raise ValueError(f"eps: {self.eps} is outside [0, 1).")

    def alpha(self, t: Tensor) -> Tensor:
        """1 - (1 - eps) t."""
        return 1 - (1 - self.eps) * t

    def alpha_prime(self, t: Tensor) -> Tensor:
        """-(1 - eps)."""
        return torch.full_like(t, self.eps - 1)
