"""Where things lie in a run folder, and which of its checkpoints are whole."""

from __future__ import annotations

import math
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rnd1lib.errors import CheckpointError
from rnd1lib.models.runs.manifest import MANIFEST, read_manifest, verify

RECIPE, MODEL, CHECKPOINTS, METRICS = "recipe.yaml", "model", "checkpoints", "metrics.jsonl"
ASIDE = ".aside"
STEP = re.compile(rf"step-(\d+)({re.escape(ASIDE)})?")


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
        return self.recipe.is_file() and ((self.path / METRICS).is_file() or bool(found_checkpoints(self.checkpoints)))

    def newest(self) -> tuple[int, Path]:
        """Step and folder of the checkpoint that was saved last, verified; a folder without a manifest is none.

        Raises CheckpointError if it is damaged or there is none.
        """
        order = checkpoints_in_order(self.checkpoints)
        for path in [path for path in order.values() if not (path / MANIFEST).is_file()]:
            print(f"{path}: has no {MANIFEST}, so it is no checkpoint; passed over.", file=sys.stderr)
        found = {step: path for step, path in order.items() if (path / MANIFEST).is_file()}
        if not found:
            when = "The run saves one at its end, and every `titan.checkpoint.interval` steps."
            raise CheckpointError(f"{self.checkpoints}: holds no whole checkpoint. {when}")
        step, path = found.popitem()
        try:
            verify(path)
        except CheckpointError as error:
            others = [other for other in found if is_whole(found[other])]
            instead = f" Move the folder {path.name} away to use step {others[-1]}." if others else ""
            raise CheckpointError(f"{error}{instead}") from error
        return step, path


def found_checkpoints(folder: Path) -> dict[int, Path]:
    """step -> folder of everything that calls itself a finished checkpoint, whole or damaged.

    One that was moved aside for a new one of its step stands in for that until it is there.
    """
    matches = [(match, path) for path in folder.glob("step-*") if (match := STEP.fullmatch(path.name))]
    return {int(match[1]): path for match, path in sorted(matches, key=lambda each: each[0][2] is None)}


def checkpoints_in_order(folder: Path) -> dict[int, Path]:
    """`found_checkpoints` in the order in which they were saved.

    One that does not say when it was saved is taken for the newest if no step is later, else for the oldest.
    """
    found = found_checkpoints(folder)
    numbers = {step: number_of(path) for step, path in found.items()}
    latest = max(found, key=lambda step: (numbers[step] or 0, step), default=0)

    def age(step: int) -> tuple[float, int]:
        unknown = math.inf if step >= latest else 0
        return numbers[step] or unknown, step

    return {step: found[step] for step in sorted(found, key=age)}


def is_whole(path: Path) -> bool:
    """Whether a checkpoint has all its files in the sizes in which they were saved; see `manifest.verify` for more."""
    with suppress(CheckpointError):
        verify(path, hashes=False)
        return True
    return False


def number_of(path: Path) -> int | None:
    """How many saves of the run there had been with this checkpoint; None if it does not say."""
    with suppress(CheckpointError):
        return read_manifest(path).number
    return None


def is_run_folder(path: str | Path) -> bool:
    """Whether a path is a run folder rather than a model folder."""
    return (Path(path) / MODEL).is_dir() and (Path(path) / RECIPE).is_file()
