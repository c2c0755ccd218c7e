"""The shift, in one place: under shift 1 logit row i predicts token i + 1, under shift 0 token i.

RND1, Dream and DiffuLLaMA are shifted, LLaDA and MDLM are not; the shift is a property of a checkpoint.
"""

from __future__ import annotations

import torch
from torch import Tensor

IGNORE = -100  # the label of a row that is not scored, as in torch.nn.functional.cross_entropy


def to_rows(values_BL: Tensor, shift: int, fill: float) -> Tensor:
    """Moves what is known of tokens to the logit rows that predict them: [B, L]; `fill` where a row predicts none."""
    if shift == 0:
        return values_BL
    return torch.cat([values_BL[:, shift:], torch.full_like(values_BL[:, :shift], fill)], dim=1)


def rows_that_predict(positions_BL: Tensor, shift: int) -> Tensor:
    """The logit rows that predict the marked positions: bool [B, L]. Position 0 has no row under shift 1."""
    return to_rows(positions_BL, shift, False)


def document_starts(documents_BL: Tensor) -> Tensor:
    """Where a document begins: bool [B, L]. No row of the same document predicts these tokens under shift 1."""
    starts_BL = torch.ones_like(documents_BL, dtype=torch.bool)
    starts_BL[:, 1:] = documents_BL[:, 1:] != documents_BL[:, :-1]
    return starts_BL
