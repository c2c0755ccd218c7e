"""Flex attention and SDPA from one `mask_mod`: the same numbers, and nothing is compiled anew as the step grows."""

import shutil

import pytest
import torch
from rnd1_plugins.attention_masks.annealing import Annealing
from rnd1_plugins.attention_masks.band_annealing import BandAnnealing
from rnd1_plugins.attention_masks.block_causal import BlockCausal
from rnd1_plugins.attention_masks.block_diffusion import BlockDiffusion
from rnd1_plugins.attention_masks.grafting import Grafting
from torch._dynamo.testing import CompileCounter
from torch.nn.attention.flex_attention import flex_attention

from rnd1lib.models import attention
from rnd1lib.models.attention import attention_masks, positions_in_documents
from rnd1lib.models.network.inner_attention import DocumentAttention, FlexAttention

L, STEPS = 64, 6
MASKS = [
    Annealing(steps=20, seed=3),
    BandAnnealing(steps=20),
    BlockCausal(block_length=8),
    BlockDiffusion(block_length=8, sequence_length=L // 2),
    Grafting(after=3),
]


def batches():
    """Rows whose documents lie elsewhere at every step: (documents, places, q, k, v)."""
    generator = torch.Generator().manual_seed(0)
    for step in range(STEPS):
        documents_BL = (torch.arange(L // 2) // torch.tensor([[7 + step], [L]])).repeat(1, 2)
        half_BL = positions_in_documents(documents_BL[:, : L // 2])
        places_BL = torch.cat([half_BL, half_BL + L // 2], dim=1)
        yield documents_BL, places_BL, *(torch.randn(2, L, heads, 16, generator=generator) for heads in (4, 2, 2))


def compare(mask):
    """The largest difference over some steps."""
    inner = DocumentAttention.Config().build()
    largest = 0.0
    for step, (documents_BL, places_BL, *qkv) in enumerate(batches()):
        flex, sdpa = (
            inner(*qkv, attention_masks=attention_masks(mask, step, documents_BL, places_BL, kernel=kernel), enable_gqa=True)
            for kernel in ("flex", "sdpa")
        )
        largest = max(largest, (flex - sdpa).abs().max().item())
    return largest


@pytest.mark.parametrize("mask", MASKS, ids=lambda mask: type(mask).__name__)
def test_flex_gives_what_sdpa_gives_and_is_compiled_once(mask, monkeypatch):
    """`fullgraph`: what cannot be traced, such as a hash of a string, would fall back to a dense mask, and say nothing."""
    torch.compiler.reset()
    counter = CompileCounter()
    compiled = torch.compile(flex_attention, backend=counter, fullgraph=True)
    monkeypatch.setattr(FlexAttention, "_compiled_flex_attn", compiled)
    with torch.no_grad():
        assert compare(mask) < 1e-6
    assert counter.frame_count == (1 if mask.pattern(0) == mask.pattern(STEPS) else 2)


@pytest.mark.parametrize("mask", [MASKS[0], MASKS[3]], ids=lambda mask: type(mask).__name__)
def test_what_a_gpu_compiles_to_make_its_masks_is_compiled_once_too(mask, monkeypatch):
    torch.compiler.reset()
    counter = CompileCounter()
    plain = [attention_masks(mask, step, *each[:2], kernel="flex") for step, each in enumerate(batches())]
    compiled = torch.compile(attention.create_block_mask, backend=counter, fullgraph=True)
    monkeypatch.setattr(attention, "create_block_mask", compiled)
    for step, each in enumerate(batches()):
        made = attention_masks(mask, step, *each[:2], kernel="flex")
        assert torch.equal(made.to_dense(), plain[step].to_dense())
    assert counter.frame_count == 1


@pytest.mark.skipif(shutil.which("g++") is None, reason="flex attention on a CPU is compiled by g++, which is not here")
def test_a_compiled_kernel_gives_what_sdpa_gives(monkeypatch):
    torch.compiler.reset()
    monkeypatch.setattr(FlexAttention, "_compiled_flex_attn", torch.compile(flex_attention, fullgraph=True))
    with torch.no_grad():
        assert compare(Annealing(steps=20, seed=3)) < 2e-6
