"""What a run writes of itself: its recipe, the plug-ins, its state, and a line for every step. Rank 0 alone writes."""

from __future__ import annotations

import fcntl
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rnd1lib.disk import UNFINISHED, replace_text
from rnd1lib.errors import Rnd1Error
from rnd1lib.models.runs.folder import METRICS, RECIPE

if TYPE_CHECKING:
    from rnd1lib.recipe import Recipe

STATUS, LOCK, PLUGINS = "status.json", ".lock", "plugins.lock"


class Records:
    """The files of a run folder; on ranks other than 0 nothing is written."""

    def __init__(self, folder: Path, *, writes: bool) -> None:
        self.folder, self.writes = folder, writes
        self._lock: IO[str] | None = None
        self._step, self._first_steps = 0, 0

    def take(self) -> None:
        """Makes the folder and takes it for this process. Rnd1Error if another one is at work in it."""
        if not self.writes:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = (self.folder / LOCK).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()  # and the status stays the other's
            raise Rnd1Error(f"{self.folder}: another process is training in this folder.") from None
        self._lock = lock
        for left in self.folder.glob(f"*{UNFINISHED}*"):  # by a process that was killed
            left.unlink()
        self._first_steps = read_first_steps(self.folder) or 0

    def open(self, recipe: Recipe, steps: int) -> None:
        """Writes what the run is made of: recipe.yaml and plugins.lock. steps: its length, kept if this is its first start."""
        self._first_steps = self._first_steps or steps
        if self.writes:
            replace_text(self.folder / RECIPE, recipe.to_yaml())
            replace_text(self.folder / PLUGINS, _json(recipe.plugins_lock()))

    def close(self) -> None:
        """Lets the folder go."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def cut_back(self, step: int) -> None:
        """Drops the lines of steps after `step`, which a resumed run does again."""
        path = self.folder / METRICS
        if self.writes and path.is_file():
            kept = [line for line in read_metrics(self.folder) if line["step"] <= step]
            replace_text(path, "".join(f"{json.dumps(line)}\n" for line in kept))

    def append(self, line: Mapping[str, Any]) -> None:
        """Adds a line to metrics.jsonl; its step is then the last finished one."""
        self._step = line["step"]
        if self.writes:
            with (self.folder / METRICS).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    def status(self, state: str, *, step: int | None = None, exit_code: int | None = None, error: str | None = None) -> None:
        """status.json: `running`, `done`, `stopped` or `failed`, the finished steps (None: as before), and how it ended."""
        if self.writes and self._lock is not None:
            self._step = self._step if step is None else step
            state_of_run = {"state": state, "step": self._step, "exit_code": exit_code, "error": error}
            state_of_run |= {"first_steps": self._first_steps}
            replace_text(self.folder / STATUS, _json(state_of_run))


def finite(value: Any) -> Any:
    """Plain data with None for each number that is not finite: JSON has no NaN."""
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl; one that a killed process left half-written is passed over."""
    lines = []
    for text in (folder / METRICS).read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            continue
    return lines


def read_first_steps(folder: Path) -> int | None:
    """The length that the run had at its first start, against which shares of it were resolved; None where it is not known."""
    try:
        return int(json.loads((folder / STATUS).read_text(encoding="utf-8"))["first_steps"]) or None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"
