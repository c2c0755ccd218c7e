"""A recipe as torchtitan's Trainer.Config: what rnd1lib owns is set here, the rest is the recipe's `titan:` section."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torchtitan.config import TrainingConfig
from torchtitan.distributed.activation_checkpoint import FullAC, SelectiveAC
from torchtitan.protocols.model_spec import ModelSpec

from rnd1lib.titan.checkpoint.checkpoints import Checkpoints
from rnd1lib.titan.optimizer.groups import RecipeOptimizers, parameter_groups
from rnd1lib.titan.optimizer.schedule import Schedules
from rnd1lib.titan.preparation.precision import COMPUTE_DTYPE, QUANTIZED
from rnd1lib.titan.preparation.prepared import Prepared
from rnd1lib.titan.preparation.schema import titan_config
from rnd1lib.titan.step.loader import NoTokenizer, RowLoader
from rnd1lib.titan.trainer import Diffusion, DiffusionTrainer, NoLoss

if TYPE_CHECKING:
    from rnd1lib.recipe import Recipe

RECOMPUTE = {"none": None, "selective": SelectiveAC.Config, "full": FullAC.Config}


def trainer_config(recipe: Recipe, prepared: Prepared, folder: Path, *, verify: bool) -> DiffusionTrainer.Config:
    """The whole configuration of a run; `prepared` holds what was worked out before the process group began.

    verify: read checkpoints against their manifests.
    """
    titan, train = titan_config(recipe.titan), recipe.train
    recompute = RECOMPUTE[train.recompute]
    ours: dict[str, Any] = {
        "training": _training(titan.training, recipe, prepared),
        "debug": dataclasses.replace(titan.debug, seed=train.seed),
        "model_spec": _network(recipe, prepared),
        "dump_folder": str(folder),
        "hf_assets_path": str(folder),
        "tokenizer": NoTokenizer.Config(),
        "dataloader": RowLoader.Config(packed=prepared.packed, global_rows=prepared.batching.global_rows),
        "loss": NoLoss.Config(),
        "optimizer": RecipeOptimizers.Config(
            implementation="fused" if torch.accelerator.is_available() else "foreach",
            param_groups=parameter_groups(prepared.claims, betas=train.betas, eps=train.adam_eps),
        ),
        "lr_scheduler": Schedules.Config(warmup=prepared.warmup, stages=prepared.stages),
        "checkpoint": Checkpoints.Config(**_fields(titan.checkpoint), recipe=recipe.digest, verify=verify),
        "activation_checkpoint": recompute() if recompute else None,
        "group_names": tuple(group.name for group, _ in prepared.claims if not group.frozen),
        "skip_non_finite": train.non_finite.skip,
        "diffusion": diffusion(recipe, prepared),
    }
    return DiffusionTrainer.Config(**{**_fields(titan), **ours})


def _training(titan: TrainingConfig, recipe: Recipe, prepared: Prepared) -> TrainingConfig:
    return dataclasses.replace(
        titan,
        seq_len=recipe.train.sequence_length,
        steps=prepared.steps,
        local_batch_size=prepared.batching.micro_batch_rows,
        global_batch_size=prepared.batching.global_rows,
        max_norm=recipe.train.clip,
        mixed_precision_param=COMPUTE_DTYPE[recipe.train.precision],
    )


def _network(recipe: Recipe, prepared: Prepared) -> ModelSpec:
    spec = recipe.components.model.spec(prepared.model_config, prepared.build)
    if recipe.train.precision in QUANTIZED:
        quantization = importlib.import_module("rnd1lib.titan.preparation.quantization")  # imports torchao, which is optional
        spec = quantization.quantize(spec, recipe.train.precision)
    return spec


def diffusion(recipe: Recipe, prepared: Prepared) -> Diffusion:
    """What is done to the rows of a step."""
    components = recipe.components
    return Diffusion(
        objective=components.objective,
        noise=components.noise,
        attention_mask=components.attention_mask,
        times=prepared.times,
        mask_token_id=prepared.build.mask_token_id,
        seed=recipe.train.seed,
        global_rows=prepared.batching.global_rows,
        pad_token_id=prepared.pad_token_id,
        eos_token_id=prepared.end_token_id if getattr(components.objective, "eos", "each") == "as_one" else None,
        variable_length=prepared.variable_length,
    )


def _fields(config: Any) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
