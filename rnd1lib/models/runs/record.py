"""What a run folder tells of how its model was made: recipe, finished steps, evaluations, versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import rnd1lib
from rnd1lib.errors import ModelError, Rnd1Error
from rnd1lib.kinds import Kind
from rnd1lib.models.origins.folder import HUB_NAME, RUNS
from rnd1lib.models.origins.licence import UNKNOWN, licence_at
from rnd1lib.models.runs.folder import METRICS, RunFolder
from rnd1lib.recipe.source import read_bytes

PLUGINS = "plugins.lock"


@dataclass(frozen=True)
class RunRecord:
    """recipe: as plain data, without paths of a machine. evaluations: lines of metrics.jsonl, until `step`.

    licence: that of the model which the run began from, where that still lies here and says so.
    """

    recipe: Mapping[str, Any]
    step: int
    tokens: int
    evaluations: tuple[Mapping[str, Any], ...]
    versions: Mapping[str, str]
    licence: str = UNKNOWN

    def component(self, kind: Kind, entry: Mapping[str, Any]) -> tuple[str, dict[str, Any], str]:
        """Of what a recipe says of a component: its name, its options with their defaults, and its manual entry.

        Of one that is not installed here, or that this version builds otherwise, what the recipe says alone.
        """
        name, given = str(entry.get("use")), {key: value for key, value in entry.items() if key not in ("use", "every")}
        try:
            built = rnd1lib.build(kind, name, **given)
            manual = rnd1lib.components(kind)[kind][name].manual
        except (Rnd1Error, ValueError, KeyError):
            return name, given, ""
        options = {key: value for key, value in asdict(built).items() if _is_plain(value)}
        return name, options | given, manual


def read_run(path: Path, step: int) -> RunRecord:
    """The record of a run whose model has finished so many steps; what is missing or broken of it is left out."""
    folder = RunFolder(path)
    tree = read_bytes(folder.recipe.read_bytes()).tree
    lines = [line for line in _lines(path / METRICS) if isinstance(line.get("step"), int) and line["step"] <= step]
    trained = [line["tokens"] for line in lines if isinstance(line.get("tokens"), int)]
    return RunRecord(
        recipe=portable(tree) if isinstance(tree, dict) else {},
        step=step,
        tokens=sum(trained),
        evaluations=tuple(line for line in lines if isinstance(line.get("evaluator"), str)),
        versions=_versions(path / PLUGINS),
        licence=_licence(tree if isinstance(tree, dict) else {}),
    )


def portable(value: Any) -> Any:
    """Plain data without what only the machine knows that a run was made on: of a path to a place there, its last name."""
    if isinstance(value, Mapping):
        return {str(key): portable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [portable(each) for each in value]
    return place_name(value) if isinstance(value, str) else value


def place_name(text: str) -> str:
    """The last name of an absolute path, one in a home or above this folder; any other text as it is."""
    absolute = text.startswith(("/", "~", "..", "file:")) or text[1:3] in (":\\", ":/")
    return text.replace("\\", "/").rstrip("/").rpartition("/")[2] if absolute else text


def hub_name(text: str) -> str | None:
    """A model's name on the Hugging Face Hub; None for a folder."""
    on_hub = HUB_NAME.fullmatch(text) and not Path(text).exists() and Path(text).parent.name != RUNS
    return text if on_hub else None


def _licence(tree: Mapping[str, Any]) -> str:
    began_from = section(tree, "model").get("init")
    try:
        return licence_at(Path(began_from)) if isinstance(began_from, str) else UNKNOWN
    except ModelError:  # a GGUF file that is no longer what it was
        return UNKNOWN


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _lines(path: Path) -> list[dict[str, Any]]:
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            found.append(json.loads(line))
        except ValueError:  # the last line of a run that was killed
            continue
    return [line for line in found if isinstance(line, dict)]


def _versions(path: Path) -> dict[str, str]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(version) for name, version in said.items()} if isinstance(said, dict) else {}


def section(tree: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of a recipe; empty if it has none, or it is no mapping."""
    found = tree.get(name)
    return found if isinstance(found, Mapping) else {}
