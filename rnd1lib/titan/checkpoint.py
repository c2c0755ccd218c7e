"""torchtitan's checkpoints, with everything that a resume needs and nothing of the recipe overruled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch.distributed.checkpoint.api import CheckpointException
from torchtitan.components.checkpointer import CheckpointManager

from rnd1lib.errors import CheckpointError
from rnd1lib.models.run_folder import CHECKPOINTS

CHECKPOINT_DEFAULTS = {"enable": True, "folder": CHECKPOINTS, "last_save_model_only": False}


class Checkpoints(CheckpointManager):
    """Distributed checkpoints `step-N` in the run folder: weights, moments, schedule, data position, step."""

    @dataclass(kw_only=True, slots=True)
    class Config(CheckpointManager.Config):
        """torchtitan's options."""

    def __init__(self, config: Config, **parts: Any) -> None:
        super().__init__(config, **parts)
        self.schedulers = parts["lr_schedulers"]

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
