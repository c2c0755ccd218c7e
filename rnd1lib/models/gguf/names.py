"""How llama.cpp calls the tensors of Llama and Qwen models, in the names of Hugging Face."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from rnd1lib.errors import ModelError
from rnd1lib.models.gguf.header import Header, Stored

ARCHITECTURES: Mapping[str, tuple[str, str]] = {
    "llama": ("llama", "LlamaForCausalLM"),
    "qwen2": ("qwen2", "Qwen2ForCausalLM"),
    "qwen3": ("qwen3", "Qwen3ForCausalLM"),
    "qwen3moe": ("qwen3_moe", "Qwen3MoeForCausalLM"),
}
"""Of each architecture that is read: transformers' model_type and class."""
WHOLE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
OF_A_LAYER = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "ffn_gate_inp": "mlp.gate",
}
OF_EXPERTS = {"ffn_gate_exps": "gate_proj", "ffn_up_exps": "up_proj", "ffn_down_exps": "down_proj"}
ROPE_FACTORS = "rope_freqs.weight"
TURNED = ("attn_q", "attn_k")
"""Llama's, whose rows llama.cpp has in another order: it turns neighbours where transformers turns halves."""
NAME = re.compile(r"(?:blk\.(\d{1,9})\.)?(\w+)\.(weight|bias)")


class Part(NamedTuple):
    """Where a Hugging Face tensor lies: a tensor of the file, or one expert of it; heads: how many heads' rows are turned."""

    name: str
    stored: Stored
    expert: int | None = None
    heads: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """As Hugging Face has it."""
        return self.stored.shape if self.expert is None else self.stored.shape[1:]


def parts(header: Header, heads: int, kv_heads: int) -> dict[str, Part]:
    """Hugging Face name -> part, of every tensor of the file; one that nobody knows keeps its name."""
    turned = {"attn_q": heads, "attn_k": kv_heads} if header.architecture == "llama" else {}
    found: dict[str, Part] = {}
    for name, stored in header.tensors.items():
        if name != ROPE_FACTORS:
            found |= _parts(header, name, stored, turned)
    return found


def _parts(header: Header, name: str, stored: Stored, turned: Mapping[str, int]) -> dict[str, Part]:
    match = NAME.fullmatch(name)
    layer, short, ending = match.groups() if match else (None, "", "")
    if layer is None:
        return {f"{WHOLE[short]}.{ending}" if short in WHOLE else name: Part(name, stored)}
    prefix = f"model.layers.{int(layer)}"
    if short in OF_EXPERTS and len(stored.shape) == 3:
        return dict(_experts(f"{prefix}.mlp.experts", f"{OF_EXPERTS[short]}.{ending}", name, stored))
    heads = turned.get(short, 0)
    if heads and stored.shape[0] % (2 * heads):
        raise ModelError(f"{header.path}: {name}: {stored.shape[0]} rows are not those of {heads} heads.")
    ours = f"{prefix}.{OF_A_LAYER[short]}.{ending}" if short in OF_A_LAYER else name
    return {ours: Part(name, stored, heads=heads)}


def _experts(prefix: str, suffix: str, name: str, stored: Stored) -> Iterator[tuple[str, Part]]:
    for expert in range(stored.shape[0]):
        yield f"{prefix}.{expert}.{suffix}", Part(name, stored, expert=expert)
