"""LLaDA: a diffusion model from its first step on, built like Llama under other names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from rnd1lib.kinds import Build, TensorSource
from rnd1lib.models.config.dimensions import dimensions
from rnd1lib.models.config.layouts import llada_config
from rnd1lib.models.config.tensor_names import LLADA, tensor_sources

if TYPE_CHECKING:
    from torchtitan.protocols.model_spec import ModelSpec

PUBLISHED_8B = {
    "architectures": ["LLaDAModelLM"],
    "model_type": "llada",
    "eos_token_id": 126081,
    "hidden_act": "silu",
    "hidden_size": 4096,
    "initializer_range": 0.02,
    "intermediate_size": 12288,
    "mask_token_id": 126336,
    "max_position_embeddings": 4096,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 32,
    "pad_token_id": 126081,
    "rms_norm_eps": 1e-5,
    "rope_theta": 5e5,
    "tie_word_embeddings": False,
    "vocab_size": 126464,
}
TINY = {
    "eos_token_id": None,
    "hidden_size": 96,
    "intermediate_size": 256,
    "mask_token_id": None,
    "max_position_embeddings": 512,
    "num_attention_heads": 6,
    "num_hidden_layers": 3,
    "num_key_value_heads": 6,
    "pad_token_id": None,
    "vocab_size": 4096,
}


@dataclass(frozen=True, kw_only=True)
class Llada:
    """LLaDA's decoder (Nie et al. 2025): Llama's with as many key heads as query heads, bidirectional, unshifted.

    Flavors are the published 8B and `tiny` (1.1 M parameters, for a CPU), in transformers' words. Folders are read and
    written in LLaDA's own words and tensor names (`model.transformer.blocks`); its mask token is 126336.
    """

    flavors: ClassVar[Mapping[str, Mapping[str, Any]]] = {"tiny": PUBLISHED_8B | TINY, "8B": PUBLISHED_8B}
    model_types: ClassVar[Sequence[str]] = ("llada",)
    layouts: ClassVar[Sequence[str]] = ("llada",)

    def spec(self, config: Mapping[str, Any], build: Build) -> "ModelSpec":
        """torchtitan's decoder with our mask row, attention and head."""
        from rnd1lib.models.network import decoder

        return decoder.spec(dimensions(config), build, name="llada")

    def tensors(self, config: Mapping[str, Any]) -> list[TensorSource]:
        """LLaDA's names, one to one."""
        return tensor_sources(dimensions(config), LLADA)

    def folder_config(
        self, config: Mapping[str, Any], *, layout: str, bidirectional: bool, mask_token_id: int | None
    ) -> dict[str, Any]:
        """config.json of a folder in one of `layouts`."""
        return llada_config(config, mask_token_id=mask_token_id)
