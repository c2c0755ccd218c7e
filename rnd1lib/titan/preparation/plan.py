"""What a run will do, worked out from its recipe before a process group exists and before anything is written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from rnd1lib.data import check_not_empty
from rnd1lib.errors import RecipeError
from rnd1lib.kinds import Build, StructuralMask
from rnd1lib.kinds.model import experts_of
from rnd1lib.models.opening import open_model
from rnd1lib.models.weights import check_folder
from rnd1lib.recipe.arithmetic import Batching, batching, lr_scale
from rnd1lib.recipe.composition import losses_without_routers
from rnd1lib.titan.optimizer.groups import Claim, claim
from rnd1lib.titan.preparation.model_folder import decide, given_tokenizer, trains_tokenizer, vocabulary_problems
from rnd1lib.titan.preparation.precision import precision_problems
from rnd1lib.titan.preparation.start import Start, starting_point

if TYPE_CHECKING:
    from rnd1lib.recipe import Recipe

REFUSED = {
    "tensor_parallel_degree": "tensor parallelism",
    "context_parallel_degree": "context parallelism",
    "pipeline_parallel_degree": "pipeline parallelism",
}


class Plan(NamedTuple):
    """A run whose recipe holds together on this many ranks."""

    ranks: int
    batching: Batching
    start: Start


def plan_run(recipe: Recipe, ranks: int) -> Plan:
    """Checks what a recipe asks of this machine and of `model.init`. RecipeError names every problem that is found."""
    problems: list[str] = []
    rows = _collected(problems, lambda: batching(recipe.train, ranks))
    start = _collected(problems, lambda: starting_point(recipe))
    problems += _parallelism_problems(recipe.titan.get("parallelism", {}), ranks, start.config if start else {})
    problems += _device_problems()
    problems += _folder_problems(Path(recipe.run.folder).absolute())
    if start is not None:
        problems += _shift_problems(recipe, start)
        losses = losses_without_routers(recipe.components.objective, start.config)
        problems += [f"objective.{sentence}" for _, sentence in losses]
        problems += vocabulary_problems(recipe, start)
        tokens = recipe.train.sequence_length * (rows.micro_batch_rows if rows else 1)
        problems += precision_problems(recipe, start.config, tokens)
        problems += _fit_problems(recipe, _collected(problems, lambda: claims(recipe, start.config)) or [])
        if not trains_tokenizer(recipe):
            _collected(problems, lambda: decide(recipe, start, given_tokenizer(recipe, start)))
    if problems or rows is None or start is None:
        raise RecipeError(problems)
    _check_weights(recipe, start)
    _check_data(recipe)
    return Plan(ranks, rows, start)


def claims(recipe: Recipe, config: Mapping[str, Any]) -> list[Claim]:
    """The groups, at this batch size's learning rates, with the parameters that they claim of `config`'s network."""
    components = recipe.components
    names = [source.parameter for source in components.model.tensors(config)]
    scale = lr_scale(recipe.train)
    groups = [group._replace(lr=group.lr * scale) for group in components.lr_groups.groups(names)]
    return claim(groups, names, mask_row=components.objective.corrupts)


def local_rank() -> int:
    """This process's number on its machine, as torchrun says."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def _collected(problems: list[str], work: Any) -> Any:
    try:
        return work()
    except RecipeError as error:
        problems += error.problems
        return None


def _parallelism_problems(section: Mapping[str, Any], ranks: int, config: Mapping[str, Any]) -> list[str]:
    problems = [
        f"titan.parallelism.{key}: {words} is not supported: the loss gathers scored rows, which would be cut across ranks. "
        "Use 1; shard with FSDP (data_parallel_shard_degree) and expert_parallel_degree."
        for key, words in REFUSED.items()
        if section.get(key, 1) != 1
    ]
    experts = experts_of(config)
    degree = section.get("expert_parallel_degree", 1)
    if degree != 1 and not experts:
        problems.append("titan.parallelism.expert_parallel_degree: this model has no experts. Use 1.")
    elif degree < 1 or ranks % degree or experts % degree:
        fitting = [n for n in range(1, ranks + 1) if ranks % n == 0 and experts % n == 0]
        problems.append(
            f"titan.parallelism.expert_parallel_degree: {degree} must divide the {ranks} rank{'s' * (ranks > 1)} of this run "
            f"and the {experts} experts. Possible: {', '.join(map(str, fitting))}."
        )
    replicas, shards = section.get("data_parallel_replicate_degree", 1), section.get("data_parallel_shard_degree", -1)
    if replicas < 1 or ranks % replicas or shards not in (-1, ranks // max(replicas, 1)):
        problems.append(
            f"titan.parallelism: {replicas} replicas of {shards} shards do not make {ranks} ranks. "
            "Use data_parallel_shard_degree -1 and a data_parallel_replicate_degree that divides the ranks."
        )
    return problems


def _device_problems() -> list[str]:
    if not torch.accelerator.is_available() or local_rank() < torch.accelerator.device_count():
        return []
    count = torch.accelerator.device_count()
    return [
        f"This machine has {count} GPU{'s' * (count > 1)}, too few for local rank {local_rank()}. Use --nproc-per-node {count}."
    ]


def _folder_problems(folder: Path) -> list[str]:
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir():
        return [f"run.folder: {folder} cannot be made, since {nearest} is a file. Choose another run.folder."]
    if not os.access(nearest, os.W_OK | os.X_OK):
        return [f"run.folder: {folder} cannot be written, since {nearest} is not writable. Choose another run.folder."]
    return []


def _check_weights(recipe: Recipe, start: Start) -> None:
    """Raises ModelError if the tensors of `model.init` are not those of its config, CheckpointError if a run has none."""
    if start.path is None:
        return
    component, origin = recipe.components.model, open_model(start.path)
    with origin.whose_config(), torch.device("meta"):
        network: Any = component.spec(start.config, Build()).model.build()
    check_folder(network, origin, component.tensors(start.config))


def _check_data(recipe: Recipe) -> None:
    """Raises DataError if no document can be read, of the run's data or an evaluator's own."""
    evaluators = recipe.components.evaluators.values()
    for data in (recipe.components.data, *(getattr(evaluator, "data", None) for evaluator in evaluators)):
        if data is not None:
            check_not_empty(data)


def _fit_problems(recipe: Recipe, groups: list[Claim]) -> list[str]:
    mask = recipe.components.attention_mask
    attention = [group for group, names in groups if any(".attention." in name for name in names)]
    if not (isinstance(mask, StructuralMask) and mask.fit_steps and attention and all(group.frozen for group in attention)):
        return []
    return [
        f"lr_groups: '{recipe.tree['lr_groups']['use']}' freezes attention (group {attention[0].name}), and attention_mask "
        f"'{recipe.tree['attention_mask']['use']}' fits nothing else. Let attention learn, or use fit_steps 0."
    ]


def _shift_problems(recipe: Recipe, start: Start) -> list[str]:
    shift = recipe.components.objective.shift
    facts = start.facts
    if start.mask_token_id is None or facts is None or facts.shift == shift or facts.autoregressive:
        return []
    return [
        f"objective: '{recipe.tree['objective']['use']}' has shift {shift}, and {start.path} is a diffusion model of shift "
        f"{facts.shift}. The shift is a property of a checkpoint: use an objective of its shift."
    ]
