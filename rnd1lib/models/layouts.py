"""config.json as each folder layout spells it: what a model component of the Qwen3 family writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FOREIGN = ("rope_parameters", "num_local_experts", "auto_map", "moe_backend", "num_diffusion_steps", "mask_token_id")
RND1_CLASSES = {
    "AutoConfig": "configuration_rnd.RND1Config",
    "AutoModel": "modeling_rnd.RND1Model",
    "AutoModelForMaskedLM": "modeling_rnd.RND1LM",
}


def transformers_config(
    config: Mapping[str, Any], *, model_type: str, architecture: str, bidirectional: bool
) -> dict[str, Any]:
    """For transformers' own classes, in the spelling of 4.57, which 5.x reads too.

    `is_causal: false` makes transformers 5 attend both ways; 4.57 ignores it.
    """
    rope = config.get("rope_parameters") or config
    written = {key: value for key, value in config.items() if key not in FOREIGN}
    written |= {"model_type": model_type, "architectures": [architecture], "rope_theta": rope.get("rope_theta", 10000.0)}
    written |= {"rope_scaling": None, "sliding_window": None, "use_sliding_window": False}
    written |= {"attention_bias": False, "hidden_act": "silu", "is_causal": False}
    if config.get("num_local_experts"):
        written["num_experts"] = config["num_local_experts"]
    if not bidirectional:
        del written["is_causal"]
    return written


def rnd1_config(config: Mapping[str, Any], *, mask_token_id: int | None) -> dict[str, Any]:
    """For RND1's classes. Its own loader resets most fields to 30B-A3B's, so only that size loads there; we read any.

    GGUF conversion looks for the architecture "RND1": rename it there.
    """
    written = transformers_config(config, model_type="rnd1", architecture="RND1LM", bidirectional=True)
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
