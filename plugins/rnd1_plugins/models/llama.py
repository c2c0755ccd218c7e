"""Llama and what is built like it: SmolLM2."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from rnd1lib.kinds import Build, TensorSource
from rnd1lib.models.config.dimensions import dimensions
from rnd1lib.models.config.layouts import transformers_config
from rnd1lib.models.config.tensor_names import tensor_sources

if TYPE_CHECKING:
    from torchtitan.protocols.model_spec import ModelSpec

PUBLISHED = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "attention_bias": False,
    "hidden_act": "silu",
    "initializer_range": 0.02,
    "mlp_bias": False,
    "rms_norm_eps": 1e-5,
    "rope_scaling": None,
    "tie_word_embeddings": False,
}
SMOLLM2 = PUBLISHED | {
    "bos_token_id": 0,
    "eos_token_id": 0,
    "max_position_embeddings": 8192,
    "rope_theta": 1e5,
    "tie_word_embeddings": True,
    "vocab_size": 49152,
}
CHAT = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
"""What the Instruct models of SmolLM2 begin, end and fill up with: the marks of a turn."""
LLAMA_3 = PUBLISHED | {
    "bos_token_id": 128000,
    "eos_token_id": 128001,
    "max_position_embeddings": 8192,
    "num_key_value_heads": 8,
    "rope_theta": 5e5,
    "vocab_size": 128256,
}
TINY = PUBLISHED | {
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
    "head_dim": 16,
    "max_position_embeddings": 512,
    "num_key_value_heads": 2,
    "rope_theta": 1e5,
    "tie_word_embeddings": True,
    "vocab_size": 4096,
}


def _sized(family: Mapping[str, Any], layers: int, width: int, heads: int, ffn_width: int, **others: Any) -> dict[str, Any]:
    return {
        **family,
        "num_hidden_layers": layers,
        "hidden_size": width,
        "num_attention_heads": heads,
        "intermediate_size": ffn_width,
        **others,
    }


def _long(factor: float, *, tied: bool = False) -> dict[str, Any]:
    """What Llama 3.1 and 3.2 added: 131 072 positions."""
    scaling = {"rope_type": "llama3", "factor": factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    scaling["original_max_position_embeddings"] = 8192
    return {"max_position_embeddings": 131072, "rope_scaling": scaling, "tie_word_embeddings": tied}


@dataclass(frozen=True, kw_only=True)
class Llama:
    """The decoders of Llama 3 (Dubey et al. 2024) and SmolLM2 (Allal et al. 2025): grouped-query attention, SwiGLU, RoPE.

    Neither biases nor normalised queries and keys; the head is tied to the table or not; RoPE is stretched where the config
    says `llama3`. Flavors are the published Base sizes, one Instruct model and `tiny` (0.7 M parameters, for a CPU).
    """

    flavors: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": _sized(TINY, 3, 96, 6, 256),
        "SmolLM2-135M": _sized(SMOLLM2, 30, 576, 9, 1536, num_key_value_heads=3),
        "SmolLM2-135M-Instruct": _sized(SMOLLM2, 30, 576, 9, 1536, num_key_value_heads=3, **CHAT),
        "SmolLM2-360M": _sized(SMOLLM2, 32, 960, 15, 2560, num_key_value_heads=5),
        "SmolLM2-1.7B": _sized(SMOLLM2, 24, 2048, 32, 8192, num_key_value_heads=32, rope_theta=1.3e5),
        "Llama-3-8B": _sized(LLAMA_3, 32, 4096, 32, 14336),
        "Llama-3.1-8B": _sized(LLAMA_3, 32, 4096, 32, 14336, **_long(8.0)),
        "Llama-3.2-1B": _sized(LLAMA_3, 16, 2048, 32, 8192, head_dim=64, **_long(32.0, tied=True)),
        "Llama-3.2-3B": _sized(LLAMA_3, 28, 3072, 24, 8192, head_dim=128, **_long(32.0, tied=True)),
    }
    model_types: ClassVar[Sequence[str]] = ("llama",)
    layouts: ClassVar[Sequence[str]] = ("llama",)

    def spec(self, config: Mapping[str, Any], build: Build) -> "ModelSpec":
        """torchtitan's decoder with our RoPE, mask row, attention and head."""
        from rnd1lib.models.network import decoder

        return decoder.spec(dimensions(config), build, name="llama")

    def tensors(self, config: Mapping[str, Any]) -> list[TensorSource]:
        """Names one to one."""
        return tensor_sources(dimensions(config))

    def folder_config(
        self, config: Mapping[str, Any], *, layout: str, bidirectional: bool, mask_token_id: int | None
    ) -> dict[str, Any]:
        """config.json of a folder in one of `layouts`."""
        return transformers_config(config, model_type="llama", architecture="LlamaForCausalLM", bidirectional=bidirectional)
