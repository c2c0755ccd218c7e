"""A component that a model's folder names and nothing here offers: what to do about it. No folder's code is ever run."""

from __future__ import annotations

import shlex
from pathlib import Path

import rnd1lib
from rnd1lib.errors import ModelError
from rnd1lib.kinds import Kind
from rnd1lib.models.runs.folder import RunFolder, is_run_folder
from rnd1lib.recipe.source import read_bytes

ANYWHERE = (
    "Install the package that brings it, or name its file before the command, rnd1 --plugin FILE sample ..., in Python "
    "add_plugins(FILE)."
)


def check_offered(kind: Kind, name: str, path: str | Path) -> None:
    """Raises ModelError unless there is such a component; `path` is what was to be loaded."""
    if name not in rnd1lib.components(kind)[kind]:
        raise ModelError(f"{path}: names the {kind} {name!r}, and no plug-in here offers it. {advice(path)}")


def advice(path: str | Path) -> str:
    """Where such a component may come from; of a run: the files that its recipe names, to be run by who trusts them."""
    files = _files_of_recipe(Path(path)) if is_run_folder(path) else []
    if not files:
        return ANYWHERE
    options = " ".join(f"--plugin {shlex.quote(file)}" for file in files)
    return (
        f"This run's recipe names plug-in files, and none is run because a folder says so. If they are yours: "
        f"rnd1 {options} sample ..., in Python add_plugins({', '.join(map(repr, files))})."
    )


def _files_of_recipe(run: Path) -> list[str]:
    tree = read_bytes(RunFolder(run).recipe.read_bytes()).tree
    files = tree.get("plugins")
    return [file for file in files if isinstance(file, str) and file.isprintable()] if isinstance(files, list) else []
