"""One forward pass of the network without its head: ids, and who sees whom, to hidden states."""

from __future__ import annotations

from typing import TypeGuard

from torch import Tensor, nn

from rnd1lib.kinds import AttentionMask, DoubledMask
from rnd1lib.models.attention import Kernel, attention_masks


def is_doubled(mask: AttentionMask) -> TypeGuard[DoubledMask]:
    """Whether training under this mask reads [noisy | clean]."""
    return bool(getattr(mask, "doubled", False))


def hidden_states(
    network: nn.Module,
    mask: AttentionMask,
    step: int,
    ids_BL: Tensor,
    documents_BL: Tensor | None,
    positions_BL: Tensor,
    *,
    kernel: Kernel | None = None,
) -> Tensor:
    """[B, L, width] of rows as they are. A doubled mask is asked about clean places alone, where it is block-causal."""
    places_BL = positions_BL + mask.sequence_length if is_doubled(mask) else positions_BL
    seen = attention_masks(mask, step, documents_BL, places_BL, kernel=kernel)
    hidden_BLD: Tensor = network(ids_BL, positions=positions_BL, attention_masks=seen)
    return hidden_BLD
