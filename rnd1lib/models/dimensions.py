"""A Hugging Face config.json of the Qwen3 family as dimensions: one reader for the spellings of transformers 4 and 5."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rnd1lib.errors import ModelError
from rnd1lib.kinds.model import experts_of


@dataclass(frozen=True)
class Dimensions:
    """What a Qwen3 or Qwen3-MoE decoder is built from. `sparse` says of each layer whether it is a mixture of experts."""

    vocabulary: int
    width: int
    heads: int
    kv_heads: int
    head_width: int
    ffn_width: int
    sparse: tuple[bool, ...]
    experts: int
    experts_per_token: int
    expert_width: int
    normalise_routes: bool
    tied: bool
    norm_eps: float
    rope_theta: float
    positions: int


def dimensions(config: Mapping[str, Any]) -> Dimensions:
    """The dimensions of a config. Raises ModelError with every missing key, and every feature the network does not have."""
    problems = _missing(config) or _unsupported(config)
    if problems:
        raise ModelError("\n".join(f"config.json: {problem}" for problem in problems))
    experts = experts_of(config)
    return Dimensions(
        vocabulary=config["vocab_size"],
        width=config["hidden_size"],
        heads=config["num_attention_heads"],
        kv_heads=config.get("num_key_value_heads") or config["num_attention_heads"],
        head_width=config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"],
        ffn_width=config["intermediate_size"],
        sparse=tuple(_is_sparse(config, layer) for layer in range(config["num_hidden_layers"])),
        experts=experts,
        experts_per_token=config["num_experts_per_tok"] if experts else 0,
        expert_width=config["moe_intermediate_size"] if experts else 0,
        normalise_routes=bool(config.get("norm_topk_prob", False)),
        tied=bool(config.get("tie_word_embeddings", False)),
        norm_eps=config.get("rms_norm_eps", 1e-6),
        rope_theta=float(_rope(config).get("rope_theta", 10000.0)),
        positions=config["max_position_embeddings"],
    )


SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
)
EXPERT_SIZES = ("num_experts_per_tok", "moe_intermediate_size")


def _missing(config: Mapping[str, Any]) -> list[str]:
    needed = SIZES + (EXPERT_SIZES if experts_of(config) else ())
    return [f"{key}: {config.get(key)!r} is no positive whole number." for key in needed if not _is_size(config.get(key))]


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _unsupported(config: Mapping[str, Any]) -> list[str]:
    rope_type = _rope(config).get("rope_type", _rope(config).get("type", "default"))
    checks = {
        f"hidden_act: {config.get('hidden_act')!r} is not built, only 'silu'.": config.get("hidden_act", "silu") != "silu",
        "attention_bias: true is not built; Qwen3 has no biases.": bool(config.get("attention_bias")),
        "use_sliding_window: true is not built.": bool(config.get("use_sliding_window")),
        f"rope_scaling: {rope_type!r} is not built, only the default RoPE.": rope_type != "default",
        "quantization_config: quantized tensors cannot be read; use the unquantized folder.": bool(
            config.get("quantization_config")
        ),
    }
    return [sentence for sentence, holds in checks.items() if holds]


def _is_sparse(config: Mapping[str, Any], layer: int) -> bool:
    step = config.get("decoder_sparse_step") or 1
    return experts_of(config) > 0 and layer not in (config.get("mlp_only_layers") or ()) and (layer + 1) % step == 0


def _rope(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """transformers 5 writes `rope_parameters`; 4 writes `rope_theta` beside `rope_scaling`, which RND1 sets to false."""
    return config.get("rope_parameters") or {"rope_theta": config.get("rope_theta", 10000.0)} | (
        config.get("rope_scaling") or {}
    )
