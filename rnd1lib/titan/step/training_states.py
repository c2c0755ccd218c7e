"""What a training step reads: the rows as they are, or under block diffusion [noisy | clean], twice as long."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rnd1lib.diffusion import rows_that_predict
from rnd1lib.kinds import AttentionMask, Batch
from rnd1lib.models.attention import Kernel, attention_masks
from rnd1lib.models.forward import hidden_states, is_doubled


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
    that is what sampling has in front of a block. See docs/explanations/attention.md.
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
