"""Qwen3-MoE: what RND1-Base is converted from, and RND1's own folders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from rnd1lib.kinds import Build, TensorSource
from rnd1lib.models.config.dimensions import Dimensions, dimensions
from rnd1lib.models.config.layouts import QWEN3, rnd1_config, transformers_config
from rnd1lib.models.config.tensor_names import tensor_sources

if TYPE_CHECKING:
    from torchtitan.protocols.model_spec import ModelSpec

BASE_30B = {
    "architectures": ["Qwen3MoeForCausalLM"],
    "model_type": "qwen3_moe",
    "attention_bias": False,
    "bos_token_id": 151643,
    "eos_token_id": 151643,
    "pad_token_id": 151643,
    "decoder_sparse_step": 1,
    "head_dim": 128,
    "hidden_act": "silu",
    "hidden_size": 2048,
    "initializer_range": 0.02,
    "intermediate_size": 6144,
    "max_position_embeddings": 40960,
    "mlp_only_layers": [],
    "moe_intermediate_size": 768,
    "norm_topk_prob": True,
    "num_attention_heads": 32,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 48,
    "num_key_value_heads": 4,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1e6,
    "tie_word_embeddings": False,
    "vocab_size": 151936,
}
UNSAID = {"num_key_value_heads": 4}
"""What transformers takes for sizes that a config.json leaves out."""

TINY = {
    "vocab_size": 4096,
    "hidden_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 256,
    "moe_intermediate_size": 96,
    "num_experts": 8,
    "num_experts_per_tok": 2,
    "max_position_embeddings": 512,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}


@dataclass(frozen=True, kw_only=True)
class Qwen3Moe:
    """Qwen3's mixtures of experts (Qwen Team 2025): softmax router in float32, the best k of E SwiGLU experts, no shared one.

    Flavors are 30B-A3B as published (Base) and `tiny` (1.5 M parameters, for a CPU). Reads RND1's folders too: their tensors
    are Qwen3-MoE's, and `model_type: rnd1` says that attention is bidirectional; and SDAR's (block-causal).
    """

    flavors: ClassVar[Mapping[str, Mapping[str, Any]]] = {"tiny": BASE_30B | TINY, "30B-A3B": BASE_30B}
    model_types: ClassVar[Sequence[str]] = ("qwen3_moe", "rnd1", "sdar_moe")
    layouts: ClassVar[Sequence[str]] = ("qwen3_moe", "rnd1")

    def spec(self, config: Mapping[str, Any], build: Build) -> "ModelSpec":
        """torchtitan's Qwen3-MoE with our mask row, attention, experts and head; its balancing bias is off."""
        from rnd1lib.models.network import decoder

        return decoder.spec(_size(config), build, name="qwen3_moe")

    def tensors(self, config: Mapping[str, Any]) -> list[TensorSource]:
        """Names one to one; the experts of a layer are stacked."""
        return tensor_sources(_size(config))

    def folder_config(
        self, config: Mapping[str, Any], *, layout: str, bidirectional: bool, mask_token_id: int | None
    ) -> dict[str, Any]:
        """config.json of a folder in one of `layouts`."""
        if layout == "rnd1":
            return rnd1_config(config, mask_token_id=mask_token_id)
        return transformers_config(
            config, model_type="qwen3_moe", architecture="Qwen3MoeForCausalLM", bidirectional=bidirectional, **QWEN3
        )


def _size(config: Mapping[str, Any]) -> Dimensions:
    return dimensions({**UNSAID, **config}, qk_norm=True)
