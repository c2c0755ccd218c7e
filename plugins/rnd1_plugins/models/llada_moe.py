"""LLaDA-MoE: a diffusion model from its first step on, built like Qwen3-MoE."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from rnd1lib.kinds import Build, TensorSource
from rnd1lib.models.config.dimensions import dimensions
from rnd1lib.models.config.layouts import llada_moe_config
from rnd1lib.models.config.tensor_names import tensor_sources

if TYPE_CHECKING:
    from torchtitan.protocols.model_spec import ModelSpec

PUBLISHED_7B = {
    "architectures": ["LLaDAMoEModelLM"],
    "model_type": "lladamoe",
    "attention_bias": False,
    "eos_token_id": 156892,
    "hidden_act": "silu",
    "hidden_size": 2048,
    "initializer_range": 0.02,
    "intermediate_size": 8192,
    "mask_token_id": 156895,
    "max_position_embeddings": 8192,
    "mlp_only_layers": [],
    "moe_intermediate_size": 1024,
    "norm_topk_prob": False,
    "num_attention_heads": 16,
    "num_experts": 64,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 16,
    "num_key_value_heads": 16,
    "pad_token_id": 156892,
    "rms_norm_eps": 1e-5,
    "rope_theta": 5e4,
    "tie_word_embeddings": False,
    "vocab_size": 157184,
}
TINY = {
    "eos_token_id": None,
    "hidden_size": 96,
    "intermediate_size": 256,
    "mask_token_id": None,
    "max_position_embeddings": 512,
    "moe_intermediate_size": 48,
    "num_attention_heads": 6,
    "num_experts": 16,
    "num_experts_per_tok": 4,
    "num_hidden_layers": 3,
    "num_key_value_heads": 6,
    "pad_token_id": None,
    "rope_theta": 1e4,
    "vocab_size": 4096,
}


@dataclass(frozen=True, kw_only=True)
class LladaMoe:
    """LLaDA-MoE's decoder (Zhu et al. 2025): softmax router, 8 of 64 SwiGLU experts, normalised queries and keys.

    The weights of the chosen experts are as the softmax over all gave them. Flavors are the published 7B-A1B, with the RoPE
    base of its last stages (5e4; 1e4 before the context grew to 8k), and `tiny` (1.6 M parameters, for a CPU).
    Bidirectional, unshifted; its mask token is 156895. Reads the published folders, which say `model_type: llada`.
    """

    flavors: ClassVar[Mapping[str, Mapping[str, Any]]] = {"tiny": PUBLISHED_7B | TINY, "7B-A1B": PUBLISHED_7B}
    model_types: ClassVar[Sequence[str]] = ("lladamoe",)
    layouts: ClassVar[Sequence[str]] = ("llada_moe",)

    def spec(self, config: Mapping[str, Any], build: Build) -> "ModelSpec":
        """torchtitan's decoder with our mask row, attention, experts and head."""
        from rnd1lib.models.network import decoder

        return decoder.spec(dimensions(config, qk_norm=True), build, name="llada_moe")

    def tensors(self, config: Mapping[str, Any]) -> list[TensorSource]:
        """Names one to one; the experts of a layer are stacked."""
        return tensor_sources(dimensions(config, qk_norm=True))

    def folder_config(
        self, config: Mapping[str, Any], *, layout: str, bidirectional: bool, mask_token_id: int | None
    ) -> dict[str, Any]:
        """config.json of a folder in one of `layouts`."""
        return llada_moe_config(config, mask_token_id=mask_token_id)
