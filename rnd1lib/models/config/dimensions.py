"""A Hugging Face config.json as dimensions: one reader for every family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from rnd1lib.errors import ModelError
from rnd1lib.kinds.model import experts_of
from rnd1lib.models.config.problems import SCALING, is_size, problems_of, rope
from rnd1lib.models.config.spelling import standard


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

    Raises ModelError with everything that is wrong with it, and every feature that the network does not have.
    """
    config = standard(config)
    problems = problems_of(config, qkv_bias=qkv_bias)
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
        norm_eps=config.get("rms_norm_eps") or 1e-6,
        rope_theta=float(rope(config)["rope_theta"]),
        rope_scaling=_scaling(rope(config)),
    )


def with_positions(config: Mapping[str, Any], count: int, rope_theta: float | None) -> dict[str, Any]:
    """The config of a network for at least `count` positions, with another RoPE base if one is given."""
    changed, known = dict(config), config.get("max_position_embeddings")
    if is_size(known):
        changed["max_position_embeddings"] = max(count, known)
    if rope_theta is not None:
        changed["rope_theta"] = rope_theta
        if config.get("rope_parameters"):
            changed["rope_parameters"] = {**config["rope_parameters"], "rope_theta": rope_theta}
    return changed


def _is_sparse(config: Mapping[str, Any], layer: int) -> bool:
    step = config.get("decoder_sparse_step") or 1
    return experts_of(config) > 0 and layer not in (config.get("mlp_only_layers") or ()) and (layer + 1) % step == 0


def _scaling(rotation: Mapping[str, Any]) -> Llama3Scaling | None:
    if rotation["rope_type"] == "default":
        return None
    return Llama3Scaling(*(rotation[key] for key in SCALING))
