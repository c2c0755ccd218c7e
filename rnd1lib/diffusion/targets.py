"""Targets of masked diffusion: the masked tokens, each at the logit row that predicts it, with its weight."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from rnd1lib.diffusion.shift import IGNORE, document_starts, to_rows
from rnd1lib.kinds import Batch, Noised, Targets

Weight = Literal["schedule", "uniform", "mean"]
Normalise = Literal["maskable", "masked", "answer"]


def masked_targets(batch: Batch, noised: Noised, *, shift: int, weight: Weight, normalise: Normalise) -> Targets:
    """Scores every masked token with its weight; under shift 1 the first token of a document cannot be predicted.

    weight `schedule`: the ELBO weight of the row's t; `uniform`: 1; `mean`: 1 / the row's number of scored tokens.
    normalise `answer`: divided by the row's number of maskable tokens (LLaDA's SFT loss, Nie et al. 2025, Algorithm 2).
    """
    scored_BL = noised.masked_BL & ~document_starts(batch.documents_BL) if shift else noised.masked_BL
    weights_BL = _weights(noised, scored_BL, weight).masked_fill(~scored_BL, 0.0)
    if normalise == "answer":
        weights_BL = weights_BL / batch.maskable_BL.sum(1, keepdim=True).clamp(min=1)
    labels_BL = batch.ids_BL.masked_fill(~scored_BL, IGNORE)
    return Targets(to_rows(labels_BL, shift, IGNORE), to_rows(weights_BL, shift, 0.0))


def _weights(noised: Noised, scored_BL: Tensor, weight: Weight) -> Tensor:
    if weight == "schedule":
        return noised.weight_B.float()[:, None].expand(scored_BL.shape)
    if weight == "mean":
        return (1 / scored_BL.sum(1, keepdim=True).clamp(min=1)).expand(scored_BL.shape)
    return torch.ones(scored_BL.shape, device=scored_BL.device)
