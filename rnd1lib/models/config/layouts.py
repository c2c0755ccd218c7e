"""config.json as each folder layout spells it: what a model component writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rnd1lib.models.config.problems import rope
from rnd1lib.models.config.spelling import in_words_of

FOREIGN = ("rope_parameters", "num_local_experts", "auto_map", "moe_backend", "num_diffusion_steps", "mask_token_id")
QWEN3 = {"attention_bias": False, "sliding_window": None, "use_sliding_window": False}
RND1_CLASSES = {
    "AutoConfig": "configuration_rnd.RND1Config",
    "AutoModel": "modeling_rnd.RND1Model",
    "AutoModelForMaskedLM": "modeling_rnd.RND1LM",
}

LLADA_CLASSES = {
    "AutoConfig": "configuration_llada.LLaDAConfig",
    "AutoModel": "modeling_llada.LLaDAModelLM",
    "AutoModelForCausalLM": "modeling_llada.LLaDAModelLM",
}
LLADA_BLOCKS = {
    "block_type": "llama",
    "layer_norm_type": "rms",
    "layer_norm_with_affine": True,
    "bias_for_layer_norm": False,
    "attention_bias": False,
    "mlp_bias": False,
    "rope": True,
    "rope_full_precision": True,
    "alibi": False,
    "use_cache": False,
}


def transformers_config(
    config: Mapping[str, Any], *, model_type: str, architecture: str, bidirectional: bool, **fields: Any
) -> dict[str, Any]:
    """For transformers' own classes, in the spelling of 4.57, which 5.x reads too; `fields` are the family's own.

    `is_causal: false` makes transformers 5 attend both ways; 4.57 ignores it.
    """
    written = {key: value for key, value in config.items() if key not in FOREIGN}
    written |= {"model_type": model_type, "architectures": [architecture], "hidden_act": "silu", "is_causal": False} | fields
    scaling = dict(rope(config))
    written |= {"rope_theta": scaling.pop("rope_theta"), "rope_scaling": scaling}
    if scaling["rope_type"] == "default":
        written["rope_scaling"] = None
    if config.get("num_local_experts"):
        written["num_experts"] = config["num_local_experts"]
    if not bidirectional:
        del written["is_causal"]
    return written


def rnd1_config(config: Mapping[str, Any], *, mask_token_id: int | None) -> dict[str, Any]:
    """For RND1's classes. Its own loader resets most fields to 30B-A3B's, so only that size loads there; we read any.

    GGUF conversion looks for the architecture "RND1": rename it there.
    """
    written = transformers_config(config, model_type="rnd1", architecture="RND1LM", bidirectional=True, **QWEN3)
    return written | {
        "auto_map": RND1_CLASSES,
        "rope_scaling": False,
        "sliding_window": False,
        "mlp_only_layers": config.get("mlp_only_layers") or [],
        "decoder_sparse_step": config.get("decoder_sparse_step") or 1,
        "moe_backend": config.get("moe_backend", "hf"),
        "num_diffusion_steps": config.get("num_diffusion_steps", 256),
        "mask_token_id": mask_token_id,
        "use_cache": False,
    }


def llada_config(config: Mapping[str, Any], *, mask_token_id: int | None) -> dict[str, Any]:
    """For LLaDA's classes, which always attend both ways."""
    written = transformers_config(config, model_type="llada", architecture="LLaDAModelLM", bidirectional=True, **LLADA_BLOCKS)
    own = {"auto_map": LLADA_CLASSES, "mask_token_id": mask_token_id, "vocab_size": config["vocab_size"]}
    return in_words_of("llada", written) | own


def llada_moe_config(config: Mapping[str, Any], *, mask_token_id: int | None) -> dict[str, Any]:
    """For LLaDA-MoE's classes as dllm registers them; the published folders say `model_type: llada`."""
    written = transformers_config(
        config, model_type="lladamoe", architecture="LLaDAMoEModelLM", bidirectional=True, qk_layernorm=True, use_cache=False
    )
    dense = written.pop("mlp_only_layers", None) or ()
    written["moe_layer_freq"] = [int(layer not in dense) for layer in range(config["num_hidden_layers"])]
    return in_words_of("lladamoe", written) | {"mask_token_id": mask_token_id}
