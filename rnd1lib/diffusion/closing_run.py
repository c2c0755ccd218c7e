"""The run of end-of-text tokens that closes a document, which may be masked as one."""

from __future__ import annotations

import torch
from torch import Tensor

from rnd1lib.diffusion.shift import document_starts
from rnd1lib.kinds import Batch


def deciders(batch: Batch, eos_token_id: int) -> Tensor:
    """[B, L] int64: the position whose draw decides about each token: the first of its document's closing run, or itself.

    The run is of maskable `eos_token_id` up to the document's last token, so padding and a prompt's own ends are no part of it.
    Visible ends of an answer that is padded with them would tell its length (Dream-Coder's `treat_eos_as_one`).
    """
    width = batch.ids_BL.shape[1]
    places_BL = torch.arange(width, device=batch.ids_BL.device).expand(batch.ids_BL.shape)
    ends_BL = batch.maskable_BL & (batch.ids_BL == eos_token_id)
    starts_BL = document_starts(batch.documents_BL)
    other_BL = _next(places_BL.masked_fill(ends_BL, width))  # the next token, from here on, that is no end
    beyond_BL = torch.full_like(places_BL, width)
    beyond_BL[:, :-1] = _next(places_BL.masked_fill(~starts_BL, width))[:, 1:]  # the first place of the next document
    run_BL = other_BL >= beyond_BL
    before_BL = torch.zeros_like(run_BL)
    before_BL[:, 1:] = run_BL[:, :-1]
    follows_BL = run_BL & before_BL & ~starts_BL
    return places_BL.masked_fill(follows_BL, 0).cummax(1).values


def _next(places_BL: Tensor) -> Tensor:
    """The smallest of the numbers from here to the row's end."""
    return places_BL.flip(1).cummin(1).values.flip(1)
