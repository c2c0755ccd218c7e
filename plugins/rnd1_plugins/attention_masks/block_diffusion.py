"""Noisy blocks beside clean ones: every block of a row is trained at once, each behind a clean past."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from rnd1_plugins.attention_masks.block_causal import BlockCausal

if TYPE_CHECKING:
    from rnd1lib.kinds.attention_mask import MaskMod


@dataclass(frozen=True, kw_only=True)
class BlockDiffusion(BlockCausal):
    """A noisy block sees itself and the clean blocks before it; clean blocks are block-causal among themselves.

    The core feeds [noisy | clean], so rows are twice as long. Places below `sequence_length` are noisy; from there on they are
    the same tokens clean. Sampling asks for clean places alone, and has `block_causal`.
    Source: Arriola et al. 2025, "Block Diffusion" (BD3-LM), section 3.2 and appendix B.6.
    """

    doubled: ClassVar[bool] = True

    sequence_length: int
    """Of the rows that are trained on; recipes set `${train.sequence_length}`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sequence_length < 1:
            raise ValueError(f"sequence_length: {self.sequence_length} is below 1.")

    def mask_mod(self, step: Tensor) -> "MaskMod":
        """From noisy: the same noisy block, or a clean one before it. From clean: a clean block that is not behind it."""

        def seen(b: Tensor, h: Tensor, q: Tensor, kv: Tensor) -> Tensor:
            q_clean, kv_clean = q >= self.sequence_length, kv >= self.sequence_length
            q_block = (q - q_clean * self.sequence_length) // self.block_length
            kv_block = (kv - kv_clean * self.sequence_length) // self.block_length
            same_noisy = ~q_clean & ~kv_clean & (q_block == kv_block)
            return same_noisy | (kv_clean & (kv_block < q_block)) | (q_clean & kv_clean & (kv_block == q_block))

        return seen
