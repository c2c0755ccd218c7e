"""The layers of a network, as torchtitan's configs of its own blocks with our attention, RoPE, router and experts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn
from torchtitan.models.common import RMSNorm, TransformerBlock
from torchtitan.models.common.attention import GQAttention
from torchtitan.models.common.config_utils import (
    make_ffn_config,
    make_gqa_config,
    make_moe_config,
    make_routed_experts_config,
    make_router_config,
)
from torchtitan.models.common.feed_forward import FeedForward
from torchtitan.models.common.moe import MoE
from torchtitan.models.qwen3.model import Qwen3TransformerBlock

from rnd1lib.kinds import Build
from rnd1lib.models.config.dimensions import Dimensions
from rnd1lib.models.network.experts import Experts
from rnd1lib.models.network.inner_attention import DocumentAttention
from rnd1lib.models.network.rope import Rotation
from rnd1lib.models.network.router import Router

Initial = dict[str, Callable[..., Any]]
STD = 0.02
LINEAR: Initial = {"weight": partial(nn.init.normal_, std=STD), "bias": nn.init.zeros_}


def layers(size: Dimensions, build: Build) -> list[TransformerBlock.Config]:
    """A config for each layer. Weights start as N(0, 0.02^2), norms at 1, biases at 0.

    Outputs of attention and of experts in sparse layers start smaller, by the root of twice the depth (GPT-2, Megatron).
    """
    return [_layer(size, build, sparse) for sparse in size.sparse]


def norm(width: int, eps: float) -> RMSNorm.Config:
    """RMSNorm with a gain."""
    return RMSNorm.Config(normalized_shape=width, eps=eps, param_init={"weight": nn.init.ones_})


def _layer(size: Dimensions, build: Build, sparse: bool) -> TransformerBlock.Config:
    shrunk: Initial = LINEAR | {"weight": partial(nn.init.normal_, std=STD / (2 * len(size.sparse)) ** 0.5)}
    return Qwen3TransformerBlock.Config(
        attention_norm=norm(size.width, size.norm_eps),
        ffn_norm=norm(size.width, size.norm_eps),
        attention=_attention(size, build, shrunk if sparse else LINEAR),
        feed_forward=None if sparse else _feed_forward(size),
        moe=_mixture(size, build, shrunk) if sparse else None,
    )


def _attention(size: Dimensions, build: Build, output: Initial) -> GQAttention.Config:
    attention = make_gqa_config(
        dim=size.width,
        n_heads=size.heads,
        n_kv_heads=size.kv_heads,
        head_dim=size.head_width,
        wqkv_param_init=LINEAR,
        wo_param_init=output,
        inner_attention=DocumentAttention.Config(),
        fuse_qkv=False,  # Hugging Face names become one to one, and weights drawn by name need stable names
        rope=Rotation.Config(
            dim=size.head_width, max_seq_len=build.sequence_length, theta=size.rope_theta, stretch=size.rope_scaling
        ),
        qk_norm=norm(size.head_width, size.norm_eps) if size.qk_norm else None,
    )
    projections: Any = attention.qkv_linear
    projections.wq.bias = projections.wkv.bias = size.qkv_bias
    return attention


def _feed_forward(size: Dimensions) -> FeedForward.Config:
    return make_ffn_config(dim=size.width, hidden_dim=size.ffn_width, w1_param_init=LINEAR, w2w3_param_init=LINEAR)


def _mixture(size: Dimensions, build: Build, output: Initial) -> MoE.Config:
    """Softmax over all experts, then the best k; torchtitan's balancing bias would change routing, so it is off."""
    counts: dict[str, Any] = {"num_experts": size.experts, "top_k": size.experts_per_token}
    router = make_router_config(
        dim=size.width, gate_param_init=LINEAR, score_func="softmax", route_norm=size.normalise_routes, **counts
    )
    routed = make_routed_experts_config(
        dim=size.width,
        hidden_dim=size.expert_width,
        param_init={"w1_EFD": LINEAR["weight"], "w2_EDF": output["weight"], "w3_EFD": LINEAR["weight"]},
        comm_backend="standard",
        **counts,
    )
    routed.inner_experts = Experts.Config(**_fields(routed.inner_experts), compute_dtype=build.compute_dtype)
    return make_moe_config(
        num_experts=size.experts, router=Router.Config(**_fields(router)), routed_experts=routed, load_balance_coeff=None
    )


def _fields(config: Any) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
