"""torchtitan's checkpoints, with everything that a resume needs and nothing of the recipe overruled."""

from __future__ import annotations

import secrets
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import AsyncCheckpointerType, async_save, save
from torchtitan.components.checkpoint import MODEL, AsyncMode, CheckpointManager
from torchtitan.tools.utils import GarbageCollection

from rnd1lib.disk import UNFINISHED
from rnd1lib.errors import CheckpointError, RecipeError, Rnd1Error
from rnd1lib.models.runs.checkpoint_reader import PlainPlanner, WeightsReader
from rnd1lib.models.runs.folder import CHECKPOINTS, checkpoints_in_order, found_checkpoints, is_whole
from rnd1lib.models.runs.manifest import verify
from rnd1lib.titan.checkpoint.commit import CommittingWriter, Save, tidy
from rnd1lib.titan.checkpoint.retention import Needed, stale
from rnd1lib.titan.ranks import on_every_rank, on_first_rank

CHECKPOINT_DEFAULTS = {"enable": True, "folder": CHECKPOINTS, "last_save_model_only": False}
DAMAGED = ".damaged"


class Checkpoints(CheckpointManager):
    """Distributed checkpoints `step-N` in the run folder: weights, moments, schedule, data position, step.

    Each is there whole or not at all (`rnd1lib.titan.checkpoint.commit`), and is verified before a run goes on from it.
    """

    @dataclass(kw_only=True, slots=True)
    class Config(CheckpointManager.Config):
        """torchtitan's options. recipe: SHA-256 of the run's; verify: read checkpoints of any size before believing them."""

        recipe: str = ""
        verify: bool = False

    def __init__(self, config: Config, **parts: Any) -> None:
        super().__init__(config, **parts)
        self.schedulers = parts["lr_schedulers"]
        self.recipe, self.hashes = config.recipe, config.verify or None
        self.id = on_first_rank(lambda: secrets.token_hex(4))
        self.loaded: tuple[int, str] | None = None
        self._needed: Needed | None = None
        self._written: list[Path] = []
        self._on_its_way: Path | None = None

    def protect(self, step: int, *, until: int) -> None:
        """Keeps `step-<step>` from retention as long as there is a checkpoint behind it of a step before `until`."""
        self._needed = Needed(step, until)

    def read(self, step: int, tensors: Mapping[str, Tensor]) -> None:
        """Reads some tensors of a checkpoint into these, in place. Raises CheckpointError if it is gone or damaged."""
        self._tried(self.maybe_wait_for_saving)
        path = Path(self._create_checkpoint_id(step))
        try:
            self._verify(path)
            load(dict(tensors), storage_reader=WeightsReader(path))
        except (Exception, CheckpointException) as error:
            raise CheckpointError(
                f"{path}: this checkpoint, from which a later step starts, cannot be read ({_reason(error)}). "
                f"Move those of later steps away to go on from one before step {step}."
            ) from error

    def written(self) -> list[Path]:
        """The checkpoints that have become whole since the last call; an asynchronous one at the next save at the latest."""
        new, self._written = self._written, []
        return new

    def _load(self, step: int = -1) -> bool:
        """Loads that step's checkpoint, or the newest whole one; `loaded` says which and why.

        The learning rates are then the recipe's at that step, not the saved ones. Raises RecipeError if there is none of a
        step that was asked for, CheckpointError if that, or every one, is damaged.
        """
        folder = Path(self.folder)
        on_first_rank(lambda: tidy(folder))
        self.loaded = self._newest(folder) if step == -1 else self._asked_for(folder, step)
        if self.loaded is None:
            return False
        try:
            super()._load(self.loaded[0])
        except (Exception, CheckpointException) as error:  # the latter, of every rank's failures, is a BaseException
            path = folder / f"step-{self.loaded[0]}"
            raise CheckpointError(f"{path}: cannot be read, though its files are whole ({_reason(error)}).") from error
        for scheduler in self.schedulers:
            for group, lr in zip(scheduler.optimizer.param_groups, scheduler.get_last_lr(), strict=True):
                group["lr"] = lr
        return True

    def _asked_for(self, folder: Path, step: int) -> tuple[int, str]:
        found = on_first_rank(lambda: sorted(found_checkpoints(folder)))
        if step not in found:
            there = ", ".join(map(str, found)) or "none"
            raise RecipeError(f"titan.checkpoint.load_step: {folder} has no checkpoint of step {step}. Steps: {there}.")
        self._verify(folder / f"step-{step}")
        return step, "which titan.checkpoint.load_step asks for"

    def _newest(self, folder: Path) -> tuple[int, str] | None:
        """The newest whole checkpoint, the same on every rank; damaged ones that are newer get another name."""
        damaged: dict[Path, str] = {}
        for step in reversed(on_first_rank(lambda: list(checkpoints_in_order(folder)))):
            path = folder / f"step-{step}"
            try:
                self._verify(path)
            except Rnd1Error as error:
                damaged[path] = str(error)
                continue
            return step, self._passed_over(damaged) if damaged else "the newest checkpoint"
        if damaged:
            reason = next(iter(damaged.values()))
            raise CheckpointError(f"{reason} {folder} holds no whole checkpoint; move it away to start the run anew.")
        return None

    def _passed_over(self, damaged: Mapping[Path, str]) -> str:
        """Says what is wrong with them and puts them under a name that nothing is read from, or written to."""
        for path, reason in damaged.items():
            kept = on_first_rank(lambda: path.rename(f"{path}{DAMAGED}-{self.id}"))  # noqa: B023 - called at once
            _say(f"{reason} Going on from an older checkpoint; kept as {kept.name}.")
        names = ", ".join(path.name for path in damaged)
        return f"the newest whole checkpoint: {names} {'are' if len(damaged) > 1 else 'is'} damaged"

    def _verify(self, path: Path) -> None:
        """Every rank reads its share of the files; Rnd1Error on every rank if any of them is not what was saved."""
        rank, ranks = dist.get_rank(), dist.get_world_size()
        on_every_rank(lambda: verify(path, hashes=self.hashes, mine=lambda number: number % ranks == rank))

    def dcp_load(self, state_dict: dict[str, Any], checkpoint_id: str, *_: Any, **__: Any) -> None:
        """Reads through an allow-list of what may be unpickled."""
        load(state_dict, storage_reader=WeightsReader(checkpoint_id), planner=PlainPlanner())
        self.states[MODEL].load_state_dict(state_dict)

    def _save(self, curr_step: int, last_step: bool = False) -> bool:
        """Saves if it is time; what fails is tried once more, at once. CheckpointError if that fails too."""
        if not self._should_save(curr_step, last_step):
            return False
        this = super()._save
        if not (self._tried(self.maybe_wait_for_saving) and self._tried(lambda: this(curr_step, last_step))):
            self._again(curr_step, last_step)
        path = Path(self._create_checkpoint_id(curr_step))
        if self.save_future is None:
            self._written.append(path)
        else:
            self._on_its_way = path
        if last_step:
            self._purge_stale_checkpoints()
        return True

    def _tried(self, work: Callable[[], object]) -> bool:
        """Whether a save, begun now or before, got through; if not, what it left is removed."""
        try:
            work()
        except CheckpointException as error:
            _say(f"{self.folder}: a checkpoint could not be written ({_reason(error)}); trying once more.")
            self._clear()
            return False
        return True

    def _again(self, step: int, last_step: bool) -> None:
        asynchronous, self.async_mode = self.async_mode, AsyncMode.DISABLED
        try:
            super()._save(step, last_step)
        except CheckpointException as error:
            needed, free = self.writer.needed, shutil.disk_usage(self.folder).free
            room = f" It needs {needed / 1e9:.3g} GB, and {free / 1e9:.3g} GB are free." if needed else ""
            self._clear()
            raise CheckpointError(
                f"{self.folder}: step {step} could not be saved ({_reason(error)}).{room} What was saved before is untouched."
            ) from error
        finally:
            self.async_mode = asynchronous

    def _clear(self) -> None:
        self.save_future = None
        if dist.get_rank() == 0:
            for path in Path(self.folder).glob(f"*{UNFINISHED}{self.id}"):
                shutil.rmtree(path, ignore_errors=True)

    def dcp_save(self, state_dict: dict[str, Any], checkpoint_id: str, async_mode: AsyncMode, *_: Any, **__: Any) -> Any:
        """Through the writer that commits; None, or what torch's async_save gives."""
        path = Path(checkpoint_id)
        step = int(path.name.removeprefix("step-"))
        self.writer = CommittingWriter(
            Save(folder=path.parent, step=step, id=self.id, world_size=dist.get_world_size(), recipe=self.recipe)
        )
        if async_mode == AsyncMode.ASYNC:
            return async_save(state_dict, storage_writer=self.writer, process_group=self.pg)
        if async_mode == AsyncMode.ASYNC_WITH_PINNED_MEM:
            return async_save(
                state_dict,
                storage_writer=self.writer,
                process_group=self.pg,
                async_checkpointer_type=AsyncCheckpointerType.PROCESS,
                async_stager=self.stager,
            )
        save(state_dict, storage_writer=self.writer)
        GarbageCollection.collect("after a checkpoint")
        return None

    def _wait_for_saving(self) -> None:
        super()._wait_for_saving()
        assert self._on_its_way is not None
        self._written.append(self._on_its_way)

    def _purge_stale_checkpoints(self) -> None:
        if not self._should_purge():
            return
        whole = {step: path for step, path in checkpoints_in_order(Path(self.folder)).items() if is_whole(path)}
        for step in stale(list(whole), self.keep_latest_k, self.loaded[0] if self.loaded else None, self._needed):
            doomed = whole[step].with_name(f"step-{step}{UNFINISHED}{self.id}")
            whole[step].rename(doomed)
            self.purge_queue.put(str(doomed))

    def _close(self) -> None:
        """Waits for an asynchronous save, so that nothing is written behind the run's back."""
        try:
            self.maybe_wait_for_saving()
        except (Exception, CheckpointException) as error:
            _say(f"{self.folder}: the last checkpoint could not be written ({_reason(error)}).")
            self.save_future = None
        super()._close()  # type: ignore[no-untyped-call]


def _say(line: str) -> None:
    if dist.get_rank() == 0:
        print(line, file=sys.stderr, flush=True)


def _reason(error: BaseException) -> str:
    """What was wrong, of the first rank that failed, in a line."""
    if isinstance(error, CheckpointException) and error.failures:
        error = min(error.failures.items())[1][0]
    return f"{type(error).__name__}: {str(error).strip().rpartition(chr(10))[2]}"
