"""One forward pass of the network without its head: ids, and who sees whom, to hidden states; with a cache or without."""

from __future__ import annotations

from typing import TypeGuard

import torch
from torch import Tensor, nn

from rnd1lib.kinds import AttentionMask, DoubledMask
from rnd1lib.models.attention import Kernel, attention_masks, visible_slots
from rnd1lib.models.key_values import KeyValues, Recalled, Remembered


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
    cache: KeyValues | None = None,
) -> Tensor:
    """[B, L, width] of rows as they are, whose keys and values are left in `cache` where one is given."""
    seen = attention_masks(mask, step, documents_BL, positions_BL + _offset(mask), kernel=kernel)
    masks = seen if cache is None else Remembered(cache, seen)
    hidden_BLD: Tensor = network(ids_BL, positions=positions_BL, attention_masks=masks)
    return hidden_BLD


def extended_states(
    network: nn.Module, mask: AttentionMask, step: int, ids_BS: Tensor, cache: KeyValues, at_BS: Tensor, of_B: Tensor | None
) -> Tensor:
    """[B, S, width] of tokens at positions `at_BS` (-1: none there) of the cache's rows `of_B`, in which they are left."""
    row_B = torch.arange(len(at_BS), device=at_BS.device) if of_B is None else of_B
    places_BS = at_BS.clamp(min=0)
    seen = None
    if not (cache.whole and mask.pattern(step) == "full"):
        slots_M = torch.arange(cache.room, device=at_BS.device) + _offset(mask)
        seen = visible_slots(mask, step, places_BS + _offset(mask), slots_M, cache.written(row_B, at_BS))
    hidden_BSD: Tensor = network(ids_BS, positions=places_BS, attention_masks=Recalled(cache, seen, at_BS, of_B))
    return hidden_BSD


def _offset(mask: AttentionMask) -> int:
    """A doubled mask is asked about clean places alone, where it is block-causal."""
    return mask.sequence_length if is_doubled(mask) else 0
