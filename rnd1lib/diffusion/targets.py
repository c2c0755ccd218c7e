"""Targets of masked diffusion: the masked tokens, each at the logit row that predicts it, with its weight."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from rnd1lib.diffusion.shift import IGNORE, document_starts, to_rows
from rnd1lib.kinds import Batch, Noised, Targets

Weight = Literal["schedule", "uniform", "mean", "cart"]
Normalise = Literal["maskable", "masked", "answer"]


def masked_targets(
    batch: Batch, noised: Noised, *, shift: int, weight: Weight, normalise: Normalise, cart_p: float = 0.1
) -> Targets:
    """Scores every masked token with its weight; under shift 1 the first token of a document cannot be predicted.

    weight `schedule`: the ELBO weight of the row's or block's t; `uniform`: 1; `mean`: 1 / the row's number of scored tokens;
    `cart`: `cart_weights` with cart_p.
    normalise `answer`: divided by the row's number of maskable tokens (LLaDA's SFT loss, Nie et al. 2025, Algorithm 2).
    """
    scored_BL = noised.masked_BL & ~document_starts(batch.documents_BL) if shift else noised.masked_BL
    if weight == "cart":
        weights_BL = cart_weights(~noised.masked_BL, batch.documents_BL, cart_p)
    else:
        weights_BL = _weights(noised, scored_BL, weight)
    weights_BL = weights_BL.masked_fill(~scored_BL, 0.0)
    if normalise == "answer":
        weights_BL = weights_BL / batch.maskable_BL.sum(1, keepdim=True).clamp(min=1)
    labels_BL = batch.ids_BL.masked_fill(~scored_BL, IGNORE)
    return Targets(to_rows(labels_BL, shift, IGNORE), to_rows(weights_BL, shift, 0.0))


def _weights(noised: Noised, scored_BL: Tensor, weight: Literal["schedule", "uniform", "mean"]) -> Tensor:
    if weight == "schedule":
        return noised.weight_B.float().reshape(len(scored_BL), -1).expand(scored_BL.shape)
    if weight == "mean":
        return (1 / scored_BL.sum(1, keepdim=True).clamp(min=1)).expand(scored_BL.shape)
    return torch.ones(scored_BL.shape, device=scored_BL.device)


def cart_weights(visible_BL: Tensor, documents_BL: Tensor, p: float) -> Tensor:
    """[B, L] float32: how much of what is visible stands near a token, sum over visible k of p (1 - p)^(|n - k| - 1) / 2.

    Only tokens of the same document count; a document's tokens stand together. Context-adaptive reweighting of Dream (Ye et
    al. 2025, "Dream 7B: Diffusion Large Language Models") and Dream-Coder.
    """
    left_BL = _from_the_left(visible_BL.float(), documents_BL, 1 - p)
    right_BL = _from_the_left(visible_BL.float().flip(1), documents_BL.flip(1), 1 - p).flip(1)
    return (left_BL + right_BL) * (p / 2)


def _from_the_left(values_BL: Tensor, documents_BL: Tensor, decay: float) -> Tensor:
    """[B, L] sum over d >= 1 of decay^(d - 1) value[n - d] in n's document, by doubling the reach of partial sums."""

    def before(x_BL: Tensor, distance: int) -> Tensor:
        same_BL = documents_BL[:, distance:] == documents_BL[:, :-distance]
        return F.pad(x_BL[:, :-distance] * same_BL, (distance, 0))

    sums_BL, reach = torch.zeros_like(values_BL), 1
    if values_BL.shape[1] > 1:
        sums_BL = before(values_BL, 1)
    while reach < values_BL.shape[1]:
        sums_BL = sums_BL + decay**reach * before(sums_BL, reach)
        reach *= 2
    return sums_BL
