"""Who sees whom in a batch: an attention mask's rule and the batch's documents, as an object that the network understands.

In the order of preference: nothing, or the word "causal" (each row is one document); the documents as runs; a dense bool
mask; on request flex attention's BlockMask. All say the same; `inner_attention.py` computes with any of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask

from rnd1lib.kinds import AttentionMask

if TYPE_CHECKING:
    from rnd1lib.kinds.attention_mask import MaskMod

Kernel = Literal["sdpa", "dense", "flex"]


class Runs:
    """Documents as slices (row, start, stop) of their rows, and whether each is causal.

    An opaque object, so that recomputation and FSDP, which take containers apart, pass it on as it is.
    """

    def __init__(self, documents_BL: Tensor, *, causal: bool) -> None:
        self.causal = causal
        self.slices: list[list[tuple[int, int]]] = []
        for row_L in documents_BL.cpu():
            stops = row_L.unique_consecutive(return_counts=True)[1].cumsum(0).tolist()
            self.slices.append(list(zip([0, *stops], stops, strict=False)))


Visibility: TypeAlias = Literal["causal"] | Runs | Tensor | BlockMask | None


def positions_in_documents(documents_BL: Tensor) -> Tensor:
    """[B, L] int64: how many tokens of its own document stand before each token; documents may be interleaved."""
    sorted_BL, order_BL = documents_BL.sort(dim=-1, stable=True)
    index_L = torch.arange(documents_BL.shape[1], device=documents_BL.device)
    start_BL = torch.where(_begins(sorted_BL), index_L, 0).cummax(dim=-1).values
    return torch.empty_like(order_BL).scatter_(1, order_BL, index_L - start_BL)


def attention_masks(
    mask: AttentionMask,
    step: int,
    documents_BL: Tensor | None,
    positions_BL: Tensor,
    *,
    kernel: Kernel | None = None,
) -> Visibility:
    """Who sees whom at a step, for the network's `attention_masks`.

    documents_BL: any integer a token, or None where each row is one document; a token sees its own document alone.
    positions_BL: int64, from 0 in each document. kernel: `flex` makes a BlockMask where a mask is
    needed at all; the default on a GPU, where it is compiled once and skips what nobody sees. `dense` makes a tensor even of
    documents that are runs: a compiled network sees one shape in every step, where runs would be compiled step by step.
    """
    kernel = kernel or ("flex" if positions_BL.is_cuda else "sdpa")
    pattern = mask.pattern(step)
    alone = documents_BL is None or bool((documents_BL == documents_BL[:, :1]).all())
    if alone and pattern != "custom":
        return "causal" if pattern == "causal" else None
    if documents_BL is None:
        documents_BL = torch.zeros_like(positions_BL)
    if kernel == "sdpa" and pattern != "custom" and _are_contiguous(documents_BL):
        return Runs(documents_BL, causal=pattern == "causal")
    rule = _within_documents(_rule(mask, step, positions_BL.device), documents_BL, positions_BL)
    rows, length = documents_BL.shape
    if kernel == "flex":
        make = _compiled_create_block_mask() if documents_BL.is_cuda else create_block_mask
        return make(rule, rows, None, length, length, device=str(documents_BL.device))
    return dense(rule, rows, length, documents_BL.device)


@cache
def _compiled_create_block_mask() -> Callable[..., BlockMask]:
    """Fused, or a mask of B x L x L and its hashes would stand in the GPU's memory at every step."""
    return torch.compile(create_block_mask)


def dense(rule: MaskMod, rows: int, length: int, device: torch.device) -> Tensor:
    """The rule evaluated everywhere: bool [B, 1, L, L], true where row i of the third dimension sees column j."""
    row_B11 = torch.arange(rows, device=device)[:, None, None]
    index_L = torch.arange(length, device=device)
    return rule(row_B11, torch.zeros_like(row_B11), index_L[:, None], index_L).expand(rows, length, length).unsqueeze(1)


def visible_slots(mask: AttentionMask, step: int, at_BS: Tensor, slots_M: Tensor, written_BM: Tensor) -> Tensor:
    """Which of M slots the tokens at `at_BS` see: those written whose position the rule allows; bool [B, 1, 1 or S, M].

    slots_M: the positions of the slots, as the rule counts them.
    """
    written_B11M = written_BM[:, None, None]
    if mask.pattern(step) == "full":
        return written_B11M
    row_B111 = torch.arange(len(at_BS), device=at_BS.device)[:, None, None, None]
    rule = _rule(mask, step, at_BS.device)
    return written_B11M & rule(row_B111, torch.zeros_like(row_B111), at_BS[:, None, :, None], slots_M)


def _rule(mask: AttentionMask, step: int, device: torch.device) -> MaskMod:
    match mask.pattern(step):
        case "full":
            return lambda b, h, q, kv: (q >= 0) & (kv >= 0)
        case "causal":
            return lambda b, h, q, kv: kv <= q
        case "custom":
            return mask.mask_mod(torch.tensor(step, device=device))


def _within_documents(rule: MaskMod, documents_BL: Tensor, positions_BL: Tensor) -> MaskMod:
    """The rule on raw indices: same document, and the rule of the positions inside it."""

    def seen(b: Tensor, h: Tensor, q: Tensor, kv: Tensor) -> Tensor:
        same = documents_BL[b, q] == documents_BL[b, kv]
        return same & rule(b, h, positions_BL[b, q], positions_BL[b, kv])

    return seen


def _begins(documents_BL: Tensor) -> Tensor:
    """True where a token's left neighbour is of another document, or there is none."""
    begins_BL = torch.ones_like(documents_BL, dtype=torch.bool)
    begins_BL[:, 1:] = documents_BL[:, 1:] != documents_BL[:, :-1]
    return begins_BL


def _are_contiguous(documents_BL: Tensor) -> bool:
    """Whether no document of a row comes back after another one: as many runs as there are documents."""
    runs_B, documents_B = (_begins(x).sum(-1) for x in (documents_BL, documents_BL.sort(dim=-1).values))
    return bool((runs_B == documents_B).all())
