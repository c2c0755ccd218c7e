"""What the checks are made with: packed rows over a tiny vocabulary, cut as ranks would cut them, and parameter names."""

from __future__ import annotations

import torch
from torch import Tensor

from rnd1lib.diffusion import Draws
from rnd1lib.kinds import Batch, Noised

VOCABULARY = 32
MASK, END, PAD, START = 31, 30, 29, 28
WORDS = 28
"""Ids below it are words."""


def packed(rows: int = 8, width: int = 24) -> Batch:
    """Rows of three documents and padding, of other lengths in each row.

    Every second document begins with a prompt, which is not maskable; padding is a document of its own, not maskable. The
    first token of a document without a prompt is marked maskable, as a careless loader would.
    """
    draws = Draws(seed=0x0B5E55ED, step=0)
    cuts_B3 = draws.integers("lengths", rows, 3, width // 4) + torch.tensor([1, width // 4 + 1, width // 2 + 2])
    places_L = torch.arange(width)
    documents_BL = (places_L[None, :, None] >= cuts_B3[:, None, :]).sum(-1)
    starts_B4 = torch.cat([torch.zeros(rows, 1, dtype=torch.int64), cuts_B3], 1)
    positions_BL = places_L - starts_B4.gather(1, documents_BL)
    prompt_BL = (documents_BL % 2 == 1) & (positions_BL < 3)
    return Batch(draws.integers("ids", rows, width, WORDS), ~prompt_BL & (documents_BL < 3), documents_BL, positions_BL)


def first_tokens(documents_BL: Tensor) -> Tensor:
    """[B, L] bool: where a document begins; the kit's own rule, so that a slip in the core's is seen."""
    return torch.cat([torch.ones_like(documents_BL[:, :1], dtype=torch.bool), documents_BL.diff(dim=1) != 0], 1)


def plain(rows: int, width: int) -> Batch:
    """Rows of one document each, all of it maskable."""
    ids_BL = Draws(seed=0x0B5E55ED, step=1).integers("ids", rows, width, WORDS)
    positions_BL = torch.arange(width).repeat(rows, 1)
    return Batch(ids_BL, torch.ones_like(ids_BL, dtype=torch.bool), torch.zeros_like(ids_BL), positions_BL)


def part(batch: Batch, first: int, rows: int) -> Batch:
    """Some rows of a batch, as the rank that holds them has them."""
    return Batch(*(tensor[first : first + rows].clone() for tensor in batch))


def hidden(batch: Batch, *, weight: float = 2.5) -> Noised:
    """The batch with about half of its maskable tokens masked, made without the core's corruption; t and weight by row."""
    rows, width = batch.ids_BL.shape
    masked_BL = batch.maskable_BL & (Draws(seed=3, step=1).uniform("hidden", rows, width) < 0.5)
    t_B = (torch.arange(rows) + 1) / rows
    return Noised(batch.ids_BL.masked_fill(masked_BL, MASK), masked_BL, t_B, weight / t_B)


def parameter_names(*, experts: bool) -> list[str]:
    """torchtitan's names of a small Qwen3 decoder, dense or with mixtures of experts, without the mask token's row."""
    attention = ["qkv_linear.wq", "qkv_linear.wk", "qkv_linear.wv", "wo", "q_norm", "k_norm"]
    rest = [f"feed_forward.{name}.weight" for name in ("w1", "w2", "w3")]
    if experts:
        grouped = [f"moe.routed_experts.inner_experts.{name}" for name in ("w1_EFD", "w2_EDF", "w3_EFD")]
        rest = ["moe.router.gate.weight", *grouped]
    layer = [*(f"attention.{name}.weight" for name in attention), "attention_norm.weight", "ffn_norm.weight", *rest]
    layers = [f"layers.{number}.{name}" for number in (0, 1, 11) for name in layer]
    return ["tok_embeddings.weight", *layers, "norm.weight", "lm_head.weight"]
