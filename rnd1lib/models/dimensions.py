"""A Hugging Face config.json as dimensions: one reader for every family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeGuard

from rnd1lib.errors import ModelError
from rnd1lib.kinds.model import experts_of
from rnd1lib.models.spelling import standard


class Llama3Scaling(NamedTuple):
    """How Llama 3.1 stretches RoPE: wavelengths above `positions / low` by `factor`, those below `positions / high` not."""

    factor: float
    low: float
    high: float
    positions: int


@dataclass(frozen=True)
class Dimensions:
    """What a decoder is built from: pre-norm layers of grouped-query attention and SwiGLU, dense or a mixture of experts.

    sparse: of each layer, whether it is a mixture. qk_norm: queries and keys are normalised, a head at a time. qkv_bias:
    their projections, and the values', have biases.
    """

    vocabulary: int
    width: int
    heads: int
    kv_heads: int
    head_width: int
    qk_norm: bool
    qkv_bias: bool
    ffn_width: int
    sparse: tuple[bool, ...]
    experts: int
    experts_per_token: int
    expert_width: int
    normalise_routes: bool
    tied: bool
    norm_eps: float
    rope_theta: float
    rope_scaling: Llama3Scaling | None


def dimensions(config: Mapping[str, Any], *, qk_norm: bool = False, qkv_bias: bool = False) -> Dimensions:
    """The dimensions of a config of a family that has these two or not: no config.json says it.

    Raises ModelError with every missing key, and every feature the network does not have.
    """
    config = standard(config)
    problems = _missing(config) or _unsupported(config, qkv_bias)
    if problems:
        raise ModelError("\n".join(f"config.json: {problem}" for problem in problems))
    experts = experts_of(config)
    return Dimensions(
        vocabulary=config["vocab_size"],
        width=config["hidden_size"],
        heads=config["num_attention_heads"],
        kv_heads=config.get("num_key_value_heads") or config["num_attention_heads"],
        head_width=config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"],
        qk_norm=qk_norm,
        qkv_bias=qkv_bias,
        ffn_width=config["intermediate_size"],
        sparse=tuple(_is_sparse(config, layer) for layer in range(config["num_hidden_layers"])),
        experts=experts,
        experts_per_token=config["num_experts_per_tok"] if experts else 0,
        expert_width=config["moe_intermediate_size"] if experts else 0,
        normalise_routes=bool(config.get("norm_topk_prob", False)),
        tied=bool(config.get("tie_word_embeddings", False)),
        norm_eps=config.get("rms_norm_eps", 1e-6),
        rope_theta=float(rope(config)["rope_theta"]),
        rope_scaling=_scaling(rope(config)),
    )


def rope(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """RoPE as transformers 5 writes it, `rope_theta` and `rope_type` in one mapping.

    Transformers 4 writes `rope_theta` beside `rope_scaling`, which RND1 sets to false.
    """
    spelled = config.get("rope_scaling") or {}, config.get("rope_parameters") or {}
    merged = {"rope_theta": config.get("rope_theta", 10000.0), **spelled[0], **spelled[1]}
    return {"rope_type": merged.get("type", "default"), **merged}


def with_positions(config: Mapping[str, Any], count: int, rope_theta: float | None) -> dict[str, Any]:
    """The config of a network for at least `count` positions, with another RoPE base if one is given."""
    changed, known = dict(config), config.get("max_position_embeddings")
    if _is_size(known):
        changed["max_position_embeddings"] = max(count, known)
    if rope_theta is not None:
        changed["rope_theta"] = rope_theta
        if config.get("rope_parameters"):
            changed["rope_parameters"] = {**config["rope_parameters"], "rope_theta": rope_theta}
    return changed


SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
)
EXPERT_SIZES = ("num_experts_per_tok", "moe_intermediate_size")
SCALING = ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings")
ONLY: Mapping[str, Any] = {
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "use_sliding_window": False,
    "partial_rotary_factor": 1,
    # of LLaDA
    "block_type": "llama",
    "layer_norm_type": "rms",
    "rope": True,
    "alibi": False,
    "attention_layer_norm": False,
    "input_emb_norm": False,
    "scale_logits": False,
    "multi_query_attention": False,
    # of LLaDA-MoE
    "moe_layer_freq": 1,
    "qk_layernorm": True,
    "moe_router_score_function": "softmax",
    "routed_scaling_factor": 1,
}
"""What a config may say of features that the network has in one form alone; null is as good as unsaid."""


def _missing(config: Mapping[str, Any]) -> list[str]:
    needed = SIZES + (EXPERT_SIZES if experts_of(config) else ())
    return [f"{key}: {config.get(key)!r} is no positive whole number." for key in needed if not _is_size(config.get(key))]


def _is_size(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _unsupported(config: Mapping[str, Any], qkv_bias: bool) -> list[str]:
    rotation = rope(config)
    told = {key: value for key, value in {**config, **rotation}.items() if key in ONLY and value is not None}
    if qkv_bias:
        told.pop("attention_bias", None)  # these families have biases whatever their configs say of them
    problems = [f"{key}: {value!r} is not built, only {ONLY[key]!r}." for key, value in told.items() if value != ONLY[key]]
    if rotation["rope_type"] not in ("default", "llama3"):
        problems.append(f"rope_scaling: {rotation['rope_type']!r} is not built, only the default RoPE and 'llama3'.")
    if rotation["rope_type"] == "llama3":
        wrong = [key for key in SCALING if not _is_positive(rotation.get(key))]
        problems += [f"rope_scaling: {key}: {rotation.get(key)!r} is no positive number." for key in wrong]
    if config.get("quantization_config"):
        problems.append("quantization_config: quantized tensors cannot be read; use the unquantized folder.")
    return problems


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and value > 0


def _is_sparse(config: Mapping[str, Any], layer: int) -> bool:
    step = config.get("decoder_sparse_step") or 1
    return experts_of(config) > 0 and layer not in (config.get("mlp_only_layers") or ()) and (layer + 1) % step == 0


def _scaling(rotation: Mapping[str, Any]) -> Llama3Scaling | None:
    if rotation["rope_type"] == "default":
        return None
    return Llama3Scaling(*(rotation[key] for key in SCALING))
