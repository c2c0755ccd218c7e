"""The network: torchtitan's decoder with a mask row, attention by document, a scoring head and seeded weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import spmd_types as spmd
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import FSDPModule
from torchtitan.distributed.pipeline_parallel import pipeline_llm
from torchtitan.models.common import CosSinRoPE, Embedding
from torchtitan.models.common.decoder_sharding import dense_param_placement
from torchtitan.models.common.param_init import skip_param_init
from torchtitan.models.qwen3 import parallelize_qwen3
from torchtitan.models.qwen3.model import Qwen3Model
from torchtitan.protocols.model_spec import ModelSpec
from torchtitan.protocols.module import Module

from rnd1lib.errors import ModelError
from rnd1lib.kinds import Build
from rnd1lib.models.config.dimensions import Dimensions
from rnd1lib.models.network.embedding import MaskRowEmbedding
from rnd1lib.models.network.head import ScoringHead
from rnd1lib.models.network.initial import draw
from rnd1lib.models.network.layers import LINEAR, layers, norm
from rnd1lib.models.network.router import Router
from rnd1lib.models.weights import parameter_name


class Decoder(Qwen3Model):
    """torchtitan's Qwen3, of any `Dimensions`; `forward` gives hidden states, `lm_head` logits or a loss."""

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


def spec(size: Dimensions, build: Build, *, name: str) -> ModelSpec:
    """torchtitan's ModelSpec of the network with these dimensions. Raises ModelError."""
    return ModelSpec(
        name=name,
        flavor="",
        model=network_config(size, build),
        parallelize_fn=partial(_parallelize, frozen=build.frozen),
        pipelining_fn=pipeline_llm,
        post_optimizer_build_fn=None,
        state_dict_adapter=None,
    )


def network_config(size: Dimensions, build: Build) -> Decoder.Config:
    """torchtitan's config of the network: the layers between our embedding and our head."""
    mask = build.mask_token_id
    if mask is not None and not 0 <= mask < size.vocabulary:
        raise ModelError(f"mask_token_id: {mask} is outside the vocabulary of {size.vocabulary} tokens.")
    sizes: dict[str, Any] = {"num_embeddings": size.vocabulary, "embedding_dim": size.width}
    init = {"weight": skip_param_init if size.tied else LINEAR["weight"]}
    if mask is None:
        table = Embedding.Config(**sizes, param_init=init)
    else:
        table = MaskRowEmbedding.Config(**sizes, param_init=init | {"mask_row": LINEAR["weight"]}, mask_token_id=mask)
    return Decoder.Config(
        vocab_size=size.vocabulary,
        dim=size.width,
        tok_embeddings=table,
        layers=layers(size, build),
        norm=norm(size.width, size.norm_eps),
        lm_head=ScoringHead.Config(in_features=size.width, out_features=size.vocabulary, param_init=LINEAR, loss=build.loss),
        enable_weight_tying=size.tied,
        seed=build.seed,
    )


def _parallelize(model: Decoder, *, frozen: frozenset[str], **settings: Any) -> nn.Module:
    """torchtitan's FSDP2 and expert parallelism, on a model whose frozen parameters have no gradients."""
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if parameter_name(name) in frozen:  # before FSDP, so that optimizer and checkpoint leave them alone
            parameter.requires_grad_(False)
    parallelize_qwen3(model, **settings)
    if dist.get_backend() == "gloo":
        for module in model.modules():
            if isinstance(module, FSDPModule):
                module.set_force_sum_reduction_for_comms(True)  # gloo has no PREMUL_SUM
    return model
