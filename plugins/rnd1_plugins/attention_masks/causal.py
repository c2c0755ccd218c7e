"""The autoregressive mask."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from rnd1lib.kinds import Pattern

if TYPE_CHECKING:
    from rnd1lib.kinds.attention_mask import MaskMod


@dataclass(frozen=True, kw_only=True)
class Causal:
    """Every token sees itself and what stands before it: autoregressive training, and the first stage of grafting."""

    def pattern(self, step: int) -> Pattern:
        """Always `causal`."""
        return "causal"

    def mask_mod(self, step: Tensor) -> "MaskMod":
        """kv <= q."""
        return lambda b, h, q, kv: kv <= q
