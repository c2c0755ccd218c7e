"""Attention over what `attention.py` made of masks and documents: torch's SDPA, or flex attention for a BlockMask.

Keys and values may come from earlier passes too (`key_values.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask
from torchtitan.models.common.attention import FlexAttention

from rnd1lib.models.attention import Runs, Visibility
from rnd1lib.models.key_values import Recalled, Remembered


class DocumentAttention(FlexAttention):
    """torchtitan's inner attention for any `Visibility`; q, k and v are [B, L, heads, head width]."""

    @dataclass(kw_only=True, slots=True)
    class Config(FlexAttention.Config):
        """torchtitan's."""

    def forward(  # torchtitan's argument names
        self,
        q_BLNH: Tensor,
        k_BLNH: Tensor,
        v_BLNH: Tensor,
        *,
        attention_masks: Visibility | Remembered | Recalled = None,
        scale: float | None = None,
        enable_gqa: bool = False,
        **_: Any,
    ) -> Tensor:
        """[B, L, heads, head width]."""
        if isinstance(attention_masks, Remembered | Recalled):
            k_BLNH, v_BLNH = attention_masks.exchange(self, k_BLNH, v_BLNH)
            attention_masks = attention_masks.seen
        if isinstance(attention_masks, BlockMask):
            return super().forward(q_BLNH, k_BLNH, v_BLNH, attention_masks=attention_masks, scale=scale, enable_gqa=enable_gqa)
        q, k, v = (x.transpose(1, 2) for x in (q_BLNH, k_BLNH, v_BLNH))
        sdpa = partial(F.scaled_dot_product_attention, scale=scale, enable_gqa=enable_gqa)
        if isinstance(attention_masks, Runs):
            return _each_document(sdpa, q, k, v, attention_masks).transpose(1, 2)
        if isinstance(attention_masks, str):
            return sdpa(q, k, v, is_causal=True).transpose(1, 2)
        return sdpa(q, k, v, attn_mask=attention_masks).transpose(1, 2)


def _each_document(sdpa: Any, q: Tensor, k: Tensor, v: Tensor, runs: Runs) -> Tensor:
    """A call a document: nothing of size L x L, and no work between documents. [B, heads, L, head width]."""
    rows = []
    for row, slices in enumerate(runs.slices):
        q_row, k_row, v_row = (x[row : row + 1] for x in (q, k, v))
        documents = [sdpa(q_row[:, :, a:z], k_row[:, :, a:z], v_row[:, :, a:z], is_causal=runs.causal) for a, z in slices]
        rows.append(torch.cat(documents, dim=2))
    return torch.cat(rows)
