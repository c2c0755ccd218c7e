"""Qwen3, dense: the report's 4B probes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from rnd1lib.kinds import Build, TensorSource
from rnd1lib.models.config.dimensions import Dimensions, dimensions
from rnd1lib.models.config.layouts import QWEN3, transformers_config
from rnd1lib.models.config.tensor_names import tensor_sources

if TYPE_CHECKING:
    from torchtitan.protocols.model_spec import ModelSpec

PUBLISHED = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "attention_bias": False,
    "bos_token_id": 151643,
    "eos_token_id": 151643,
    "pad_token_id": 151643,
    "head_dim": 128,
    "hidden_act": "silu",
    "initializer_range": 0.02,
    "max_position_embeddings": 40960,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1e6,
    "tie_word_embeddings": False,
    "vocab_size": 151936,
}


def _published(layers: int, width: int, heads: int, ffn_width: int, *, tied: bool = False) -> dict[str, Any]:
    return PUBLISHED | {
        "num_hidden_layers": layers,
        "hidden_size": width,
        "num_attention_heads": heads,
        "intermediate_size": ffn_width,
        "tie_word_embeddings": tied,
    }


UNSAID = {"head_dim": 128, "num_key_value_heads": 32}
"""What transformers takes for sizes that a config.json leaves out."""

TINY = {
    "vocab_size": 4096,
    "hidden_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 256,
    "max_position_embeddings": 512,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}


@dataclass(frozen=True, kw_only=True)
class Qwen3:
    """The dense decoders of Qwen3 (Qwen Team 2025): grouped-query attention with normalised queries and keys, SwiGLU, RoPE.

    Flavors are the published Base sizes and `tiny` (1 M parameters, for a CPU). Up to 4B the head is tied to the table.
    Reads SDAR's folders (block-causal, unshifted) and dllm's A2D ones (bidirectional, unshifted) too: mask token 151669.
    """

    flavors: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": PUBLISHED | TINY | {"tie_word_embeddings": True},
        "0.6B": _published(28, 1024, 16, 3072, tied=True),
        "1.7B": _published(28, 2048, 16, 6144, tied=True),
        "4B": _published(36, 2560, 32, 9728, tied=True),
        "8B": _published(36, 4096, 32, 12288),
        "14B": _published(40, 5120, 40, 17408),
        "32B": _published(64, 5120, 64, 25600),
    }
    model_types: ClassVar[Sequence[str]] = ("qwen3", "sdar", "a2d-qwen3")
    layouts: ClassVar[Sequence[str]] = ("qwen3",)

    def spec(self, config: Mapping[str, Any], build: Build) -> "ModelSpec":
        """torchtitan's Qwen3 with our mask row, attention and head."""
        from rnd1lib.models.network import decoder

        return decoder.spec(_size(config), build, name="qwen3")

    def tensors(self, config: Mapping[str, Any]) -> list[TensorSource]:
        """Names one to one."""
        return tensor_sources(_size(config))

    def folder_config(
        self, config: Mapping[str, Any], *, layout: str, bidirectional: bool, mask_token_id: int | None
    ) -> dict[str, Any]:
        """config.json of a folder in one of `layouts`."""
        return transformers_config(
            config, model_type="qwen3", architecture="Qwen3ForCausalLM", bidirectional=bidirectional, **QWEN3
        )


def _size(config: Mapping[str, Any]) -> Dimensions:
    return dimensions({**UNSAID, **config}, qk_norm=True)
