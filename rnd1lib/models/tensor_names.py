"""Which Hugging Face tensors make up each parameter of the Qwen3 family: one to one, and experts stacked."""

from __future__ import annotations

from rnd1lib.kinds import TensorSource
from rnd1lib.models.dimensions import Dimensions

ATTENTION = {
    "attention_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attention.qkv_linear.wq": "self_attn.q_proj",
    "attention.qkv_linear.wk": "self_attn.k_proj",
    "attention.qkv_linear.wv": "self_attn.v_proj",
    "attention.wo": "self_attn.o_proj",
    "attention.q_norm": "self_attn.q_norm",
    "attention.k_norm": "self_attn.k_norm",
}
FEED_FORWARD = {"feed_forward.w1": "mlp.gate_proj", "feed_forward.w2": "mlp.down_proj", "feed_forward.w3": "mlp.up_proj"}
EXPERTS = {"w1_EFD": "gate_proj", "w2_EDF": "down_proj", "w3_EFD": "up_proj"}


def tensor_sources(size: Dimensions) -> list[TensorSource]:
    """Every parameter save the mask row, in torchtitan's names; a tied head has no tensor of its own."""
    sources = [TensorSource("tok_embeddings.weight", ["model.embed_tokens.weight"])]
    for layer, sparse in enumerate(size.sparse):
        sources += _layer(layer, size.experts if sparse else 0)
    sources.append(TensorSource("norm.weight", ["model.norm.weight"]))
    if not size.tied:
        sources.append(TensorSource("lm_head.weight", ["lm_head.weight"]))
    return sources


def _layer(layer: int, experts: int) -> list[TensorSource]:
    ours, theirs = f"layers.{layer}", f"model.layers.{layer}"
    plain = ATTENTION | ({"moe.router.gate": "mlp.gate"} if experts else FEED_FORWARD)
    sources = [TensorSource(f"{ours}.{a}.weight", [f"{theirs}.{b}.weight"]) for a, b in plain.items()]
    for a, b in EXPERTS.items() if experts else ():
        tensors = [f"{theirs}.mlp.experts.{expert}.{b}.weight" for expert in range(experts)]
        sources.append(TensorSource(f"{ours}.moe.routed_experts.inner_experts.{a}", tensors, stacked=True))
    return sources
