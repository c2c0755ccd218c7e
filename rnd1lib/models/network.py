"""The network: torchtitan's Qwen3 decoder with a mask row, attention by document, a scoring head and seeded weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import spmd_types as spmd
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import FSDPModule
from torchtitan.distributed.pipeline_parallel import pipeline_llm
from torchtitan.models import qwen3
from torchtitan.models.common import CosSinRoPE, Embedding, TransformerBlock
from torchtitan.models.common.decoder_sharding import dense_param_placement
from torchtitan.models.qwen3.model import Qwen3Model
from torchtitan.protocols.model_spec import ModelSpec
from torchtitan.protocols.module import Module

from rnd1lib.errors import ModelError
from rnd1lib.kinds import Build
from rnd1lib.models.dimensions import Dimensions, dimensions
from rnd1lib.models.embedding import MaskRowEmbedding
from rnd1lib.models.experts import Experts
from rnd1lib.models.head import ScoringHead
from rnd1lib.models.initial import draw
from rnd1lib.models.inner_attention import DocumentAttention
from rnd1lib.models.router import Router
from rnd1lib.models.weights import parameter_name


class Decoder(Qwen3Model):
    """torchtitan's Qwen3, dense or mixture of experts; `forward` gives hidden states, `lm_head` logits or a loss."""

    @dataclass(kw_only=True, slots=True)
    class Config(Qwen3Model.Config):
        """torchtitan's, and the seed of the initial weights."""

        seed: int = 0

        def update_from_config(self, *, config: Any, **rest: Any) -> None:
            """torchtitan's, and where the mask row lies: whole on every rank of an expert- or tensor-parallel group."""
            Qwen3Model.Config.update_from_config(self, config=config, **rest)
            if isinstance(self.tok_embeddings, MaskRowEmbedding.Config):
                assert self.tok_embeddings.sharding_config is not None
                self.tok_embeddings.sharding_config.state_shardings["mask_row"] = dense_param_placement(tp=spmd.R)

    config: Config
    _skip_lm_head = True

    def init_states(self, *, buffer_device: torch.device | None = None) -> None:
        """Draws the initial weights from the seed, after `to_empty`."""
        self.prepare(buffer_device=buffer_device)
        draw(self, self.config.seed)

    def prepare(self, *, buffer_device: torch.device | None = None) -> None:
        """After `to_empty`: ties the head again and fills the buffers; the layers share one RoPE cache."""
        if self.enable_weight_tying:
            self.tok_embeddings.weight = self.lm_head.weight
        first, *others = (module for module in self.modules() if isinstance(module, CosSinRoPE))
        for module in self.modules():
            if isinstance(module, Module) and module not in others:
                module._init_self_buffers(buffer_device=buffer_device)
        for rope in others:
            rope.cache = first.cache

    def routers(self) -> dict[str, Router]:
        """The router of each mixture of experts by its layer's number; empty in a dense network."""
        named = ((parameter_name(name), module) for name, module in self.named_modules())
        return {name.split(".")[1]: module for name, module in named if isinstance(module, Router)}


def spec(config: Mapping[str, Any], build: Build, *, name: str) -> ModelSpec:
    """torchtitan's ModelSpec of the Qwen3 network that a Hugging Face config describes. Raises ModelError."""
    return ModelSpec(
        name=name,
        flavor="",
        model=network_config(dimensions(config), build),
        parallelize_fn=partial(_parallelize, frozen=build.frozen),
        pipelining_fn=pipeline_llm,
        post_optimizer_build_fn=None,
        state_dict_adapter=None,
    )


def network_config(size: Dimensions, build: Build) -> Decoder.Config:
    """torchtitan's config of the network: stock layers with our attention and experts, our embedding, our head."""
    mask = build.mask_token_id
    if mask is not None and not 0 <= mask < size.vocabulary:
        raise ModelError(f"mask_token_id: {mask} is outside the vocabulary of {size.vocabulary} tokens.")
    sizes: dict[str, Any] = {"num_embeddings": size.vocabulary, "embedding_dim": size.width}
    init = qwen3._EMBEDDING_SKIP_INIT if size.tied else qwen3._EMBEDDING_INIT
    if mask is None:
        table = Embedding.Config(**sizes, param_init=init)
    else:
        row_init = {"mask_row": partial(nn.init.normal_, std=0.02)}
        table = MaskRowEmbedding.Config(**sizes, param_init=init | row_init, mask_token_id=mask)
    return Decoder.Config(
        vocab_size=size.vocabulary,
        dim=size.width,
        tok_embeddings=table,
        layers=_layers(size, build),
        norm=dataclasses.replace(qwen3._qwen3_norm(size.width), eps=size.norm_eps),
        lm_head=ScoringHead.Config(
            in_features=size.width, out_features=size.vocabulary, param_init=qwen3._LINEAR_INIT, loss=build.loss
        ),
        enable_weight_tying=size.tied,
        seed=build.seed,
    )


def _layers(size: Dimensions, build: Build) -> list[TransformerBlock.Config]:
    kwargs: dict[str, Any] = {
        "n_layers": len(size.sparse),
        "dim": size.width,
        "n_heads": size.heads,
        "n_kv_heads": size.kv_heads,
        "head_dim": size.head_width,
        "fuse_qkv": False,  # Hugging Face names become one to one, and weights drawn by name need stable names
        "attn_backend": "flex",
        "rope": CosSinRoPE.Config(dim=size.head_width, max_seq_len=build.sequence_length, theta=size.rope_theta),
    }
    layers = qwen3._build_qwen3_layers(hidden_dim=size.ffn_width, **kwargs)
    if any(size.sparse):
        experts: dict[str, Any] = {
            "moe_hidden_dim": size.expert_width,
            "num_experts": size.experts,
            "top_k": size.experts_per_token,
        }
        mixtures = qwen3._build_qwen3_moe_layers(**experts, moe_comm_backend="standard", **kwargs)
        layers = [moe if sparse else plain for plain, moe, sparse in zip(layers, mixtures, size.sparse, strict=True)]
    for layer in layers:
        _refine(layer, size, build)
    return layers


def _refine(layer: TransformerBlock.Config, size: Dimensions, build: Build) -> None:
    """What torchtitan's builders fix and a folder may say otherwise."""
    attention: Any = layer.attention
    attention.inner_attention = DocumentAttention.Config()
    for norm in (layer.attention_norm, layer.ffn_norm, attention.qk_norm):
        norm.eps = size.norm_eps
    if layer.moe is not None:
        layer.moe.load_balance_coeff = None  # torchtitan's balancing bias changes routing
        layer.moe.router = Router.Config(**_fields(layer.moe.router) | {"route_norm": size.normalise_routes})
        stock = layer.moe.routed_experts.inner_experts
        layer.moe.routed_experts.inner_experts = Experts.Config(**_fields(stock), compute_dtype=build.compute_dtype)


def _fields(config: Any) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}


def _parallelize(model: Decoder, *, frozen: frozenset[str], **settings: Any) -> nn.Module:
    """torchtitan's FSDP2 and expert parallelism, on a model whose frozen parameters have no gradients."""
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if parameter_name(name) in frozen:  # before FSDP, so that optimizer and checkpoint leave them alone
            parameter.requires_grad_(False)
    qwen3.parallelize_qwen3(model, **settings)
    if dist.get_backend() == "gloo":
        for module in model.modules():
            if isinstance(module, FSDPModule):
                module.set_force_sum_reduction_for_comms(True)  # gloo has no PREMUL_SUM
    return model
