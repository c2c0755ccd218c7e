"""Qwen2 and what was converted from it: Dream, Open-dLLM."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from rnd1lib.kinds import Build, TensorSource
from rnd1lib.models.config.dimensions import Dimensions, dimensions
from rnd1lib.models.config.layouts import transformers_config
from rnd1lib.models.config.tensor_names import tensor_sources

if TYPE_CHECKING:
    from torchtitan.protocols.model_spec import ModelSpec

PUBLISHED = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "bos_token_id": 151643,
    "eos_token_id": 151643,
    "hidden_act": "silu",
    "initializer_range": 0.02,
    "rope_theta": 1e6,
    "use_sliding_window": False,
}


def _published(
    layers: int,
    width: int,
    heads: int,
    kv_heads: int,
    ffn_width: int,
    *,
    vocabulary: int = 152064,
    positions: int = 131072,
    eps: float = 1e-6,
    tied: bool = False,
) -> dict[str, Any]:
    return PUBLISHED | {
        "num_hidden_layers": layers,
        "hidden_size": width,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "intermediate_size": ffn_width,
        "vocab_size": vocabulary,
        "max_position_embeddings": positions,
        "rms_norm_eps": eps,
        "tie_word_embeddings": tied,
    }


UNSAID = {"num_key_value_heads": 32}
"""What transformers takes for sizes that a config.json leaves out."""

DREAM = {
    "architectures": ["DreamModel"],
    "model_type": "Dream",
    "mask_token_id": 151666,
    "pad_token_id": 151643,
}
TINY = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}


@dataclass(frozen=True, kw_only=True)
class Qwen2:
    """The dense decoders of Qwen2 and Qwen2.5 (Qwen Team 2024): as Llama, with biases on queries, keys and values.

    Flavors are Qwen2.5's published Base sizes, `Dream-7B` (Ye et al. 2025, converted from the 7B) and `tiny` (0.7 M
    parameters, for a CPU). Reads Dream's folders: bidirectional, shift 1, mask token 151666. Open-dLLM's folders say only
    that they are Qwen2's: load them with attention_mask="bidirectional", mask_token_id=151665.
    """

    flavors: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": _published(3, 96, 6, 2, 256, vocabulary=4096, positions=512, tied=True) | TINY,
        "0.5B": _published(24, 896, 14, 2, 4864, vocabulary=151936, positions=32768, tied=True),
        "1.5B": _published(28, 1536, 12, 2, 8960, vocabulary=151936, tied=True),
        "3B": _published(36, 2048, 16, 2, 11008, vocabulary=151936, positions=32768, tied=True),
        "7B": _published(28, 3584, 28, 4, 18944),
        "14B": _published(48, 5120, 40, 8, 13824, eps=1e-5),
        "32B": _published(64, 5120, 40, 8, 27648, eps=1e-5),
        "Dream-7B": _published(28, 3584, 28, 4, 18944) | DREAM,
    }
    model_types: ClassVar[Sequence[str]] = ("qwen2", "Dream", "dream")
    layouts: ClassVar[Sequence[str]] = ("qwen2",)

    def spec(self, config: Mapping[str, Any], build: Build) -> "ModelSpec":
        """torchtitan's decoder with biases, our mask row, attention and head."""
        from rnd1lib.models.network import decoder

        return decoder.spec(_size(config), build, name="qwen2")

    def tensors(self, config: Mapping[str, Any]) -> list[TensorSource]:
        """Names one to one."""
        return tensor_sources(_size(config))

    def folder_config(
        self, config: Mapping[str, Any], *, layout: str, bidirectional: bool, mask_token_id: int | None
    ) -> dict[str, Any]:
        """config.json of a folder in one of `layouts`."""
        return transformers_config(
            config,
            model_type="qwen2",
            architecture="Qwen2ForCausalLM",
            bidirectional=bidirectional,
            sliding_window=None,
            use_sliding_window=False,
        )


def _size(config: Mapping[str, Any]) -> Dimensions:
    return dimensions({**UNSAID, **config}, qkv_bias=True)
