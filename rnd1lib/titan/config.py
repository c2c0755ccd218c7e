"""A recipe as torchtitan's Trainer.Config: what rnd1lib owns is set here, the rest is the recipe's `titan:` section."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from torchtitan.distributed.activation_checkpoint import FullAC, SelectiveAC
from torchtitan.trainer import Trainer

from rnd1lib.models.run_folder import CHECKPOINTS
from rnd1lib.recipe import Recipe
from rnd1lib.titan.checkpoint import Checkpoints
from rnd1lib.titan.groups import RecipeOptimizers, parameter_groups
from rnd1lib.titan.loader import NoTokenizer, RowLoader
from rnd1lib.titan.preparation import Prepared
from rnd1lib.titan.trainer import Diffusion, DiffusionTrainer, NoLoss

RECOMPUTE = {"none": None, "selective": SelectiveAC.Config, "full": FullAC.Config}
COMPUTE = {"float32": "float32", "bf16": "bfloat16"}
DEFAULTS = {
    "parallelism": {"spmd_backend": "partial_dtensor"},  # the default backend refuses parameters that are no DTensors
    "checkpoint": {"enable": True, "folder": CHECKPOINTS, "last_save_model_only": False},
    "training": {"disable_cuda_graphs": True},  # the number of scored rows varies from step to step
    "debug": {"enable_structured_logging": False},
}


def titan_config(section: dict[str, Any]) -> Trainer.Config:
    """torchtitan's own configuration with the recipe's `titan:` section over our defaults."""
    merged = OmegaConf.merge(OmegaConf.structured(Trainer.Config), DEFAULTS, section)
    config: Trainer.Config = OmegaConf.to_object(merged)  # type: ignore[assignment]
    return config


def trainer_config(recipe: Recipe, prepared: Prepared, folder: Path) -> DiffusionTrainer.Config:
    """The whole configuration of a run; `prepared` holds what was worked out before the process group began."""
    train, components = recipe.train, recipe.components
    titan = titan_config(recipe.titan)
    titan.training = dataclasses.replace(
        titan.training,
        seq_len=train.sequence_length,
        steps=prepared.steps,
        local_batch_size=prepared.batching.micro_batch_rows,
        global_batch_size=prepared.batching.global_rows,
        max_norm=train.clip,
        mixed_precision_param=COMPUTE[train.precision],
    )
    titan.debug = dataclasses.replace(titan.debug, seed=train.seed)
    recompute = RECOMPUTE[train.recompute]
    ours: dict[str, Any] = {
        "model_spec": components.model.spec(prepared.model_config, prepared.build),
        "dump_folder": str(folder),
        "hf_assets_path": str(folder),
        "tokenizer": NoTokenizer.Config(),
        "dataloader": RowLoader.Config(packed=prepared.packed, global_rows=prepared.batching.global_rows),
        "loss": NoLoss.Config(),
        "optimizer": RecipeOptimizers.Config(
            implementation="fused" if torch.accelerator.is_available() else "foreach",
            param_groups=parameter_groups(prepared.claims, betas=train.betas, eps=train.adam_eps),
        ),
        "lr_scheduler": dataclasses.replace(
            titan.lr_scheduler, warmup_steps=prepared.warmup, total_steps=None, decay_ratio=0.0
        ),
        "checkpoint": Checkpoints.Config(**_fields(titan.checkpoint)),
        "activation_checkpoint": recompute() if recompute else None,
        "diffusion": Diffusion(
            objective=components.objective,
            noise=components.noise,
            attention_mask=components.attention_mask,
            times=prepared.times,
            mask_token_id=prepared.build.mask_token_id,
            seed=train.seed,
            global_rows=prepared.batching.global_rows,
        ),
    }
    return DiffusionTrainer.Config(**{**_fields(titan), **ours})


def _fields(config: Any) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
