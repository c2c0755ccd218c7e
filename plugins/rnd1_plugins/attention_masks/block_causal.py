"""Bidirectional inside a block, causal between blocks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from rnd1lib.kinds import Pattern

if TYPE_CHECKING:
    from rnd1lib.kinds.attention_mask import MaskMod


@dataclass(frozen=True, kw_only=True)
class BlockCausal:
    """A token sees its own block and all blocks before it: how a block diffusion model is sampled, exactly cacheable.

    Blocks count from the start of the document: kv // block_length <= q // block_length. Block length 1 is the causal mask.
    Source: Arriola et al. 2025, "Block Diffusion"; SDAR; LLaDA 2.0.
    """

    block_length: int = 32
    """Tokens of a block; at least 1."""

    def __post_init__(self) -> None:
        if self.block_length < 1:
            raise ValueError(f"block_length: {self.block_length} is below 1.")

    def pattern(self, step: int) -> Pattern:
        """Always `custom`."""
        return "custom"

    def mask_mod(self, step: Tensor) -> "MaskMod":
        """The key's block is not behind the query's."""
        return lambda b, h, q, kv: kv // self.block_length <= q // self.block_length
