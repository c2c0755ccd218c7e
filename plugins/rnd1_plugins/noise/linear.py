"""The linear schedule."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Linear:
    """The default: a token is masked with probability t, so the weight of the bound is 1/t.

    alpha(t) = 1 - t (LLaDA, Nie et al. 2025; RND1).
    """

    def alpha(self, t: Tensor) -> Tensor:
        """1 - t."""
        return 1 - t

    def alpha_prime(self, t: Tensor) -> Tensor:
        """-1."""
        return -torch.ones_like(t)
