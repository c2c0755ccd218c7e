"""`train`: a recipe from start or resume to its end, in one process or on every rank of torchrun."""

from __future__ import annotations

import atexit
import gc
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch.distributed as dist
from torchtitan.distributed import utils as dist_utils
from torchtitan.tools import utils as titan_utils

from rnd1lib.errors import RecipeError, Rnd1Error
from rnd1lib.models.denoiser import DiffusionLM
from rnd1lib.models.loading import load_model
from rnd1lib.models.runs.folder import RunFolder
from rnd1lib.recipe import read_recipe
from rnd1lib.recipe.arithmetic import steps
from rnd1lib.recipe.difference import resume_problems
from rnd1lib.titan.loop import Loop
from rnd1lib.titan.preparation.changed_data import record_data, refuse_changed_data
from rnd1lib.titan.preparation.config import trainer_config
from rnd1lib.titan.preparation.plan import plan_run
from rnd1lib.titan.preparation.prepared import Prepared
from rnd1lib.titan.preparation.schema import titan_config
from rnd1lib.titan.ranks import on_every_rank, told_errors
from rnd1lib.titan.records import LOCK, Records, read_first_steps, read_metrics
from rnd1lib.titan.signals import StopSignals
from rnd1lib.titan.trainer import DiffusionTrainer

if TYPE_CHECKING:
    from rnd1lib.recipe import Recipe


@dataclass(frozen=True)
class RunResult:
    """A finished run: its folder, and on request its metrics and its model."""

    folder: Path

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl: one with `loss` a step, one with `evaluator` an evaluation."""
        return read_metrics(self.folder)

    def model(self) -> DiffusionLM:
        """The model of the newest checkpoint, on the CPU."""
        return load_model(self.folder)


def train(recipe: Recipe, *, fresh: bool = False, verify: bool = False, accept_changed_data: bool = False) -> RunResult:
    """Trains; on a run folder that holds this recipe's run it goes on from its newest checkpoint.

    fresh: refuse a folder that already holds a run. verify: read a checkpoint of more than 10 GB whole before believing it,
    as smaller ones always are. accept_changed_data: go on although the files of the data are others than before. Raises
    RecipeError for what a recipe asks in vain, DataError, NumericalError, CheckpointError, and Stopped after a signal, when
    the run is saved.
    """
    ranks, folder = int(os.environ.get("WORLD_SIZE", "1")), RunFolder(Path(recipe.run.folder))
    recipe = _against_what_is_there(recipe, folder, fresh=fresh)
    if folder.begun and not accept_changed_data:
        refuse_changed_data(recipe, folder.path)
    plan = plan_run(recipe, ranks)
    with StopSignals() as signals, process_group(recipe, folder), _records(folder.path) as records, told_errors():
        on_every_rank(records.take)
        prepared = Prepared(recipe, plan, folder)
        records.open(prepared.settled_recipe, prepared.steps)
        if records.writes:
            record_data(recipe, folder.path)
        trainer: DiffusionTrainer = trainer_config(recipe, prepared, folder.path, verify=verify).build()  # type: ignore[no-untyped-call]
        try:
            Loop(recipe, prepared, trainer, records, signals).run()
        finally:
            trainer.close()
            gc.enable()  # torchtitan collects garbage by hand
    return RunResult(folder.path)


def _against_what_is_there(recipe: Recipe, folder: RunFolder, *, fresh: bool) -> Recipe:
    """The recipe, with the lengths that the run's first start settled. RecipeError where it differs."""
    if folder.model.exists() and not (folder.recipe.is_file() or (folder.path / LOCK).is_file()):
        raise RecipeError(f"{folder.model}: is there already, and is no run's. Choose another run.folder.")
    if not folder.begun:
        return recipe
    if fresh:
        raise RecipeError(f"{folder.path}: holds a run. Choose another run.folder, or leave --fresh out to go on with it.")
    recipe = recipe.settle(read_first_steps(folder.path) or _recorded_steps(folder))
    problems = resume_problems(folder.recipe, recipe)
    if problems:
        raise RecipeError([f"{folder.path}: holds the run of another recipe. {problem}" for problem in problems])
    return recipe


def _recorded_steps(folder: RunFolder) -> int:
    """The length of a run whose status.json is lost, when it was last started; one in epochs has none in its recipe."""
    train = read_recipe(folder.recipe).train
    return 1 if train.epochs is not None else steps(train)


@contextmanager
def _records(folder: Path) -> Iterator[Records]:
    """The run's files; however the run ends, its status says so."""
    records = Records(folder, writes=dist.get_rank() == 0)
    try:
        yield records
    except BaseException as error:
        exit_code = error.exit_code if isinstance(error, Rnd1Error) else 130 if isinstance(error, KeyboardInterrupt) else 1
        records.status("stopped" if exit_code in (75, 130) else "failed", exit_code=exit_code, error=str(error))
        raise
    finally:
        records.close()


@contextmanager
def process_group(recipe: Recipe, folder: RunFolder) -> Iterator[None]:
    """torch's process group: of this process alone, or torchrun's, which then lasts until the process ends.

    A second group would hang on the keys that the first one left in torchrun's store.
    """
    if dist.is_initialized():
        yield
        return
    under_torchrun = "RANK" in os.environ
    alone = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": _free_port()}
    os.environ.update({} if under_torchrun else alone)
    try:
        titan_utils.device_module.set_device(titan_utils.get_local_device())
        dist_utils.init_distributed(titan_config(recipe.titan).comm, base_folder=str(folder.path))
        if under_torchrun:
            atexit.register(dist.destroy_process_group)
        yield
    finally:
        if not under_torchrun:
            if dist.is_initialized():
                dist.destroy_process_group()
            for key in alone:
                os.environ.pop(key, None)


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])
