"""The contract of a noise schedule, and what corruption hands on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor


class Noised(NamedTuple):
    """A corrupted batch.

    ids_BL: int64, the mask token where `masked_BL`, else the clean token. masked_BL: bool. t_B: float32 noise levels in
    (0, 1]. weight_B: float32, the ELBO weight -alpha'(t) / (1 - alpha(t)). Where each block of a row has
    its own t (`train.times.per: block`) the last two are [B, L].
    """

    ids_BL: Tensor
    masked_BL: Tensor
    t_B: Tensor
    weight_B: Tensor


@runtime_checkable
class Noise(Protocol):
    """How fast a text dissolves: alpha(t) is the probability that a token is still clean at time t in [0, 1].

    Mask probability and ELBO weight are derived from it in `rnd1lib.diffusion`, once. alpha falls from about 1 to about 0.
    Both functions keep the dtype and shape of t (float32 or float64).
    """

    def alpha(self, t: Tensor) -> Tensor:
        """The probability that a token is clean at time t."""

    def alpha_prime(self, t: Tensor) -> Tensor:
        """The derivative of alpha with respect to t: negative."""
