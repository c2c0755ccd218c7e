"""The geometric schedule."""

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Geometric:
    """The total noise grows by the same factor in equal times, from sigma_min to sigma_max.

    Mask probability 1 - exp(-sigma(t)) with sigma(t) = sigma_min^(1-t) sigma_max^t (Lou et al. 2024; MDLM's code, whose
    sigma_max of 1 would leave a third of the tokens clean at t = 1).
    """

    sigma_min: float = 1e-4
    """The total noise at t = 0: about the share of tokens that is masked there; above 0."""
    sigma_max: float = 20.0
    """The total noise at t = 1, where exp(-sigma_max) of the tokens are still clean; above sigma_min."""

    def __post_init__(self) -> None:
        if not 0 < self.sigma_min < math.inf:
            raise ValueError(f"sigma_min: {self.sigma_min} is not a finite number above 0.")
        if not self.sigma_min < self.sigma_max < math.inf:
            raise ValueError(f"sigma_max: {self.sigma_max} is not a finite number above sigma_min, {self.sigma_min}.")

    def alpha(self, t: Tensor) -> Tensor:
        """exp(-sigma(t))."""
        return (-self._sigma(t)).exp()

    def alpha_prime(self, t: Tensor) -> Tensor:
        """-sigma'(t) exp(-sigma(t))."""
        sigma = self._sigma(t)
        return -math.log(self.sigma_max / self.sigma_min) * sigma * (-sigma).exp()

    def _sigma(self, t: Tensor) -> Tensor:
        return (math.log(self.sigma_min) + t * math.log(self.sigma_max / self.sigma_min)).exp()
