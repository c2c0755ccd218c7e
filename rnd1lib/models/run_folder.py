"""Where things lie in a run folder, and which of its checkpoints are whole."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict_loader import load

from rnd1lib.errors import CheckpointError
from rnd1lib.models.checkpoint_reader import WeightsReader

RECIPE, MODEL, CHECKPOINTS, METRICS = "recipe.yaml", "model", "checkpoints", "metrics.jsonl"
STEP = re.compile(r"step-(\d+)")
WHOLE = ".metadata"  # torch writes it last


@dataclass(frozen=True)
class RunFolder:
    """A run: its resolved recipe, `model/` (config.json, rnd1_config.json, tokenizer), `checkpoints/step-N/`."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe, which loads again."""
        return self.path / RECIPE

    @property
    def model(self) -> Path:
        """What a model folder has beside its weights."""
        return self.path / MODEL

    @property
    def checkpoints(self) -> Path:
        """torch distributed checkpoints, one folder a saved step."""
        return self.path / CHECKPOINTS

    @property
    def begun(self) -> bool:
        """Whether there is something to go on with; a first start that failed before its first step has left nothing."""
        return self.recipe.is_file() and ((self.path / METRICS).is_file() or bool(self.whole_checkpoints()))

    def whole_checkpoints(self) -> dict[int, Path]:
        """Finished steps -> folder, in order; folders that a save was interrupted in are left out."""
        return {step: path for step, path in self.checkpoint_folders().items() if (path / WHOLE).is_file()}

    def checkpoint_folders(self) -> dict[int, Path]:
        """Steps -> folder, in order, whole or not."""
        found = {int(match[1]): path for path in self.checkpoints.glob("*") if (match := STEP.fullmatch(path.name))}
        return {step: found[step] for step in sorted(found)}

    def newest(self) -> tuple[int, Path]:
        """The newest whole checkpoint and its step. Raises CheckpointError if there is none."""
        whole = self.whole_checkpoints()
        if not whole:
            raise CheckpointError(f"{self.checkpoints}: holds no whole checkpoint yet.")
        return max(whole.items())


def is_run_folder(path: str | Path) -> bool:
    """Whether a path is a run folder rather than a model folder."""
    return (Path(path) / MODEL).is_dir() and (Path(path) / RECIPE).is_file()


@torch.no_grad()
def load_checkpoint(path: Path, network: nn.Module) -> None:
    """Reads a checkpoint's weights into a network on one device, without a process group; dtypes may differ.

    Raises CheckpointError for a damaged checkpoint, or one of another network.
    """
    try:
        load(network.state_dict(), storage_reader=WeightsReader(path), no_dist=True)
    except (Exception, CheckpointException) as error:  # whatever reading raises; torch's own is no Exception
        reason = str(error).strip().rpartition("\n")[2]
        raise CheckpointError(f"{path}: this checkpoint cannot be read ({type(error).__name__}: {reason}).") from error
