"""The loss is a weighted sum of cross entropies over a global count: these two parts, each in one place."""

from __future__ import annotations

import torch
from torch import Tensor

from rnd1lib.kinds import Batch, Noised, Objective


def denominator(objective: Objective, batch: Batch, noised: Noised) -> Tensor:
    """What the summed loss of this batch is divided by once it is added up over the global batch: a 0-d int64 tensor."""
    if objective.counts == "maskable":
        return batch.maskable_BL.sum()
    if objective.counts == "masked":
        return noised.masked_BL.sum()
    return torch.tensor(len(batch.ids_BL), device=batch.ids_BL.device)


def cross_entropy(logits_NV: Tensor, labels_N: Tensor, mask_token_id: int | None) -> Tensor:
    """[N] float32 cross entropies of scored rows; with a mask token its logit is -inf first (MDLM's SUBS: it is no word)."""
    logits_NV = logits_NV.float()
    if mask_token_id is not None:
        logits_NV = logits_NV.index_fill(-1, torch.tensor(mask_token_id, device=logits_NV.device), -torch.inf)
    return torch.nn.functional.cross_entropy(logits_NV, labels_N, reduction="none")
