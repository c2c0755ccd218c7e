"""One forward pass of the network without its head: ids, and who sees whom, to hidden states.

Training under block diffusion reads twice the row, [noisy | clean]; all else, sampling included, reads the row as it is.
"""

from __future__ import annotations

from typing import TypeGuard

import torch
from torch import Tensor, nn

from rnd1lib.diffusion import rows_that_predict
from rnd1lib.kinds import AttentionMask, Batch, DoubledMask
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


def training_states(
    network: nn.Module,
    mask: AttentionMask,
    step: int,
    noisy_BL: Tensor,
    batch: Batch,
    *,
    shift: int,
    kernel: Kernel | None = None,
) -> Tensor:
    """[B, L, width] from which the targets of a training step are read, row i those of token i + shift.

    Under a doubled mask row i is the noisy one, save where token i + shift begins a block: then it is the clean one, since
    that is what sampling has in front of a block. See docs/explanation/attention.md.
    """
    if not is_doubled(mask):
        return hidden_states(network, mask, step, noisy_BL, batch.documents_BL, batch.positions_BL, kernel=kernel)
    ids_BM = torch.cat([noisy_BL, batch.ids_BL], dim=1)
    documents_BM, positions_BM = (torch.cat([x, x], dim=1) for x in (batch.documents_BL, batch.positions_BL))
    places_BM = torch.cat([batch.positions_BL, batch.positions_BL + mask.sequence_length], dim=1)
    seen = attention_masks(mask, step, documents_BM, places_BM, kernel=kernel)
    hidden_BMD: Tensor = network(ids_BM, positions=positions_BM, attention_masks=seen)
    noisy_BLD, clean_BLD = hidden_BMD.chunk(2, dim=1)
    if shift == 0:
        return noisy_BLD
    before_block_BL = rows_that_predict(batch.positions_BL % mask.block_length == 0, shift)
    return torch.where(before_block_BL[..., None], clean_BLD, noisy_BLD)
