"""RND1 for transformers 5: Qwen3-MoE with bidirectional attention. Logits are raw: row i predicts token i + 1."""

from typing import Any

from transformers import Qwen3MoeForCausalLM, Qwen3MoeModel
from transformers.conversion_mapping import get_checkpoint_conversion_mapping, register_checkpoint_conversion_mapping

from .configuration_rnd import RND1Config

# Folders hold a tensor an expert, and these classes a tensor a layer.
register_checkpoint_conversion_mapping("rnd1", get_checkpoint_conversion_mapping("qwen3_moe"), overwrite=True)


class RND1Model(Qwen3MoeModel):
    """The decoder without its head. `config.is_causal` is false, which transformers 5 obeys."""

    config_class = RND1Config


class RND1LM(Qwen3MoeForCausalLM):
    """The decoder with its head; a text is sampled by `rnd1 sample`, not by `generate`, which predicts left to right."""

    config_class = RND1Config

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        """Raises RuntimeError: a masked diffusion model does not predict from left to right."""
        raise RuntimeError("RND1 is sampled by unmasking: rnd1 sample FOLDER 'a prompt', of the package rnd1lib.")
