"""torchtitan's checkpoints, with everything that a resume needs and nothing of the recipe overruled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict_loader import load
from torchtitan.components.checkpointer import CheckpointManager

from rnd1lib.errors import CheckpointError
from rnd1lib.models.run_folder import CHECKPOINTS, RunFolder

CHECKPOINT_DEFAULTS = {"enable": True, "folder": CHECKPOINTS, "last_save_model_only": False}


class Needed(NamedTuple):
    """A checkpoint that those behind it, of steps before `until`, cannot go on without."""

    step: int
    until: int


def stale(steps: Iterable[int], keep_latest: int, needed: Needed | None) -> list[int]:
    """The checkpoints that retention removes: all but the newest, and but the one that another one here needs."""
    steps = sorted(steps)
    asked_for = needed is not None and any(needed.step < step < needed.until for step in steps)
    return [step for step in steps[:-keep_latest] if not (asked_for and needed and step == needed.step)]


class Checkpoints(CheckpointManager):
    """Distributed checkpoints `step-N` in the run folder: weights, moments, schedule, data position, step."""

    @dataclass(kw_only=True, slots=True)
    class Config(CheckpointManager.Config):
        """torchtitan's options."""

    def __init__(self, config: Config, **parts: Any) -> None:
        super().__init__(config, **parts)
        self.schedulers = parts["lr_schedulers"]
        self._needed: Needed | None = None

    def protect(self, step: int, *, until: int) -> None:
        """Keeps `step-<step>` from retention as long as there is a checkpoint behind it of a step before `until`."""
        self._needed = Needed(step, until)

    def read(self, step: int, tensors: Mapping[str, Tensor]) -> None:
        """Reads some tensors of a checkpoint into these, in place. Raises CheckpointError if it is gone or damaged."""
        self.maybe_wait_for_saving()
        path = Path(self._create_checkpoint_id(step))
        try:
            load(dict(tensors), checkpoint_id=str(path))
        except (Exception, CheckpointException) as error:
            raise CheckpointError(
                f"{path}: this checkpoint, from which a later step starts, cannot be read ({type(error).__name__}). "
                f"Move those of later steps away to go on from one before step {step}."
            ) from error

    def _purge_stale_checkpoints(self) -> None:
        if self._should_purge():
            there = RunFolder(Path(self.folder).parent).checkpoint_folders()
            for step in stale(there, self.keep_latest_k, self._needed):
                self.purge_queue.put(str(there[step]))

    def _load(self, step: int = -1) -> bool:
        """Loads the newest whole checkpoint; the learning rates are then the recipe's at that step, not the saved ones.

        Raises CheckpointError for one that is damaged.
        """
        try:
            loaded: bool = super()._load(step)
        except (Exception, CheckpointException) as error:  # the latter, of every rank's failures, is a BaseException
            reason = str(error).strip().rpartition("\n")[2]
            raise CheckpointError(
                f"{self.folder}: the newest checkpoint cannot be read ({type(error).__name__}: {reason}). "
                "Move its folder away to go on from the one before."
            ) from error
        if loaded:
            for scheduler in self.schedulers:
                for group, lr in zip(scheduler.optimizer.param_groups, scheduler.get_last_lr(), strict=True):
                    group["lr"] = lr
        return loaded
