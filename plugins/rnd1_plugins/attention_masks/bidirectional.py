"""Simple continual pretraining (SCP): the whole document from step 0."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rnd1lib.kinds import Pattern

if TYPE_CHECKING:
    from rnd1lib.kinds.attention_mask import MaskMod


@dataclass(frozen=True, kw_only=True)
class Bidirectional:
    """Every token sees every token of its document: the report's SCP, and how a diffusion model is sampled."""

    def pattern(self, step: int) -> Pattern:
        """Always `full`."""
        return "full"

    def mask_mod(self, step: Tensor) -> "MaskMod":
        """True everywhere."""
        return lambda b, h, q, kv: torch.ones_like(q + kv, dtype=torch.bool)
