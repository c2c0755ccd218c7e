"""What an attention mask promises together with the core: in a packed row every document is masked as if it stood alone."""

from __future__ import annotations

import torch
from torch import Tensor

from rnd1lib.kinds import AttentionMask
from rnd1lib.models.attention import Runs, attention_masks, positions_in_documents
from rnd1lib.models.forward import is_doubled
from rnd1lib.testing.attention_mask import LENGTH, length_of, on_grid, rule, steps_of
from rnd1lib.testing.examples import packed
from rnd1lib.testing.promise import demand, promise


def seen_by(mask: AttentionMask, step: int, documents_BL: Tensor) -> Tensor:
    """[B, L, L] bool: whom the core lets place i of a row see, [B, 2L, 2L] of a doubled row."""
    places_BL = positions_in_documents(documents_BL)
    if is_doubled(mask):
        places_BL = torch.cat([places_BL, places_BL + mask.sequence_length], 1)
        documents_BL = torch.cat([documents_BL, documents_BL], 1)
    rows, length = documents_BL.shape
    found = attention_masks(mask, step, documents_BL, places_BL, kernel="sdpa")
    if isinstance(found, Tensor):
        return found[:, 0]
    if isinstance(found, Runs):
        return torch.stack([_runs(slices, length, found.causal) for slices in found.slices])
    whole_LL = torch.ones(length, length, dtype=torch.bool)
    return (whole_LL.tril() if found == "causal" else whole_LL).expand(rows, length, length)


def _runs(slices: list[tuple[int, int]], length: int, causal: bool) -> Tensor:
    seen_LL = torch.zeros(length, length, dtype=torch.bool)
    for start, stop in slices:
        seen_LL[start:stop, start:stop] = True
    return seen_LL.tril() if causal else seen_LL


def rows_of_documents(mask: AttentionMask) -> list[Tensor]:
    """Packed rows, rows of a single document, and rows whose documents are interleaved: [4, L] each."""
    documents_BL = packed(4, LENGTH if not is_doubled(mask) else mask.sequence_length).documents_BL
    places_L = torch.arange(documents_BL.shape[1])
    return [documents_BL, torch.zeros_like(documents_BL), (places_L % 3 + torch.arange(4)[:, None]) % 3]


@promise
def no_token_sees_another_document(mask: AttentionMask) -> None:
    """Whatever the rule says, token i sees token j only where documents_BL says that they are of one document."""
    for step in steps_of(mask):
        for documents_BL in rows_of_documents(mask):
            seen_BLL = seen_by(mask, step, documents_BL)
            of_BL = documents_BL.repeat(1, seen_BLL.shape[1] // documents_BL.shape[1])
            leaks = int((seen_BLL & (of_BL[:, :, None] != of_BL[:, None, :])).sum())
            demand(leaks == 0, f"step {step}: at {leaks} places a token sees one of another document.")


@promise
def a_document_in_a_packed_row_is_masked_as_if_alone(mask: AttentionMask) -> None:
    """Positions count from the start of the document: its part of the mask is the rule at 0, 1, 2, ..."""
    for step in steps_of(mask):
        alone_LL = on_grid(rule(mask, step), length_of(mask))
        for documents_BL in rows_of_documents(mask):
            width = documents_BL.shape[1]
            for row_L, seen_LL in zip(documents_BL, seen_by(mask, step, documents_BL), strict=True):
                for document in sorted(set(row_L.tolist())):
                    at, first = (row_L == document).nonzero()[:, 0], torch.arange(int((row_L == document).sum()))
                    if is_doubled(mask):
                        at, first = torch.cat([at, at + width]), torch.cat([first, first + width])
                    fits = torch.equal(seen_LL[at][:, at], alone_LL[first][:, first])
                    demand(fits, f"step {step}: document {document} of {row_L.tolist()} is masked otherwise than alone.")
