"""Which Hugging Face tensors make up each parameter of a network: one to one, and experts stacked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rnd1lib.kinds import TensorSource
from rnd1lib.models.config.dimensions import Dimensions

TABLE, MASK_ROW, HEAD = "tok_embeddings.weight", "tok_embeddings.mask_row", "lm_head.weight"
"""The parameters with a row a token, and the mask token's own row."""


@dataclass(frozen=True)
class Names:
    """How a family calls its tensors, without `.weight`. parts: of a layer, by torchtitan's names of them."""

    table: str
    layers: str
    norm: str
    head: str
    parts: Mapping[str, str]


QKV = ("attention.qkv_linear.wq", "attention.qkv_linear.wk", "attention.qkv_linear.wv")
QK_NORMS = ("attention.q_norm", "attention.k_norm")
FEED_FORWARD = ("feed_forward.w1", "feed_forward.w2", "feed_forward.w3")
ROUTER = "moe.router.gate"
EXPERTS = {"w1_EFD": "gate_proj", "w2_EDF": "down_proj", "w3_EFD": "up_proj"}

LLAMA = Names(
    table="model.embed_tokens",
    layers="model.layers",
    norm="model.norm",
    head="lm_head",
    parts={
        "attention_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm",
        "attention.qkv_linear.wq": "self_attn.q_proj",
        "attention.qkv_linear.wk": "self_attn.k_proj",
        "attention.qkv_linear.wv": "self_attn.v_proj",
        "attention.wo": "self_attn.o_proj",
        "attention.q_norm": "self_attn.q_norm",
        "attention.k_norm": "self_attn.k_norm",
        "feed_forward.w1": "mlp.gate_proj",
        "feed_forward.w2": "mlp.down_proj",
        "feed_forward.w3": "mlp.up_proj",
        "moe.router.gate": "mlp.gate",
    },
)
"""Llama's, and of all that followed it: Qwen2, Qwen3, Dream, LLaDA-MoE."""

LLADA = Names(
    table="model.transformer.wte",
    layers="model.transformer.blocks",
    norm="model.transformer.ln_f",
    head="model.transformer.ff_out",
    parts={
        "attention_norm": "attn_norm",
        "ffn_norm": "ff_norm",
        "attention.qkv_linear.wq": "q_proj",
        "attention.qkv_linear.wk": "k_proj",
        "attention.qkv_linear.wv": "v_proj",
        "attention.wo": "attn_out",
        "feed_forward.w1": "ff_proj",
        "feed_forward.w2": "ff_out",
        "feed_forward.w3": "up_proj",
    },
)
"""LLaDA's, which are OLMo's."""


def tensor_sources(size: Dimensions, names: Names = LLAMA) -> list[TensorSource]:
    """Every parameter save the mask row, in torchtitan's names; a tied head has no tensor of its own."""
    sources = [_weight("tok_embeddings", names.table)]
    for layer, sparse in enumerate(size.sparse):
        sources += _layer(f"layers.{layer}", f"{names.layers}.{layer}", size, names, size.experts if sparse else 0)
    sources.append(_weight("norm", names.norm))
    if not size.tied:
        sources.append(_weight("lm_head", names.head))
    return sources


def _layer(ours: str, theirs: str, size: Dimensions, names: Names, experts: int) -> list[TensorSource]:
    absent = {*(FEED_FORWARD if experts else (ROUTER,)), *(() if size.qk_norm else QK_NORMS)}
    parts = {a: b for a, b in names.parts.items() if a not in absent}
    sources = [_weight(f"{ours}.{a}", f"{theirs}.{b}") for a, b in parts.items()]
    for a in QKV if size.qkv_bias else ():
        sources.append(TensorSource(f"{ours}.{a}.bias", [f"{theirs}.{parts[a]}.bias"]))
    for a, b in EXPERTS.items() if experts else ():
        tensors = [f"{theirs}.mlp.experts.{expert}.{b}.weight" for expert in range(experts)]
        sources.append(TensorSource(f"{ours}.moe.routed_experts.inner_experts.{a}", tensors, stacked=True))
    return sources


def _weight(ours: str, theirs: str) -> TensorSource:
    return TensorSource(f"{ours}.weight", [f"{theirs}.weight"])
