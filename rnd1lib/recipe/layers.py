"""The layers of a recipe, lowest first: what it extends, depth first, then itself, then each override of the command line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rnd1lib.errors import RecipeError
from rnd1lib.plugins import Plugins
from rnd1lib.recipe.problems import Origin, Origins
from rnd1lib.recipe.source import parse, read_bytes
from rnd1lib.registry import did_you_mean

MAX_LAYERS = 100


class Layer(NamedTuple):
    """A tree of plain data and where each of its keys stands."""

    tree: dict[str, Any]
    origins: Origins


def layers_of(name: str | Path, overrides: Iterable[str], plugins: Plugins) -> list[Layer]:
    """Every layer. RecipeError: all files and overrides that cannot be read."""
    stack = _Stack(plugins)
    path = stack.find(str(name), Path(), Origin(str(name)))
    if path:
        stack.read(path, ())
    for text in overrides:
        stack.override(text)
    if stack.problems:
        raise RecipeError(stack.problems)
    return stack.layers


def shipped(plugins: Plugins) -> dict[str, Path]:
    """Every recipe that plug-ins bring, by the name that `extends` takes; rnd1lib's own by the path alone."""
    found: dict[str, Path] = {}
    for plugin, folders in plugins.recipe_dirs.items():
        for folder in folders:
            for path in sorted(folder.rglob("*.yaml")):
                name = path.relative_to(folder).with_suffix("").as_posix()
                found.setdefault(name if plugin == "rnd1lib" else f"{plugin}:{name}", path)
    return found


class _Stack:
    def __init__(self, plugins: Plugins) -> None:
        self.shipped = shipped(plugins)
        self.layers: list[Layer] = []
        self.problems: list[str] = []

    def find(self, name: str, folder: Path, origin: Origin) -> Path | None:
        """A path, else a shipped recipe."""
        try:
            if (folder / name).is_file():
                return folder / name
        except (OSError, ValueError):  # a name that no file system takes
            pass
        if name not in self.shipped:
            meant = did_you_mean(name, self.shipped)
            self.problems.append(
                f"{origin}: no recipe {name!r}: no such file, and none is shipped under this name.{meant} "
                f"Shipped: {', '.join(self.shipped) or 'none'}."
            )
        return self.shipped.get(name)

    def read(self, path: Path, chain: tuple[Path, ...]) -> None:
        """Add a file, what it extends first."""
        shown = _shown(path)
        try:
            source = read_bytes(path.read_bytes())
        except OSError as error:
            self.problems.append(f"{shown}: cannot be read: {error.strerror}.")
            return
        self.problems += [f"{Origin(shown, line)}: {message}" for line, message in source.problems]
        origins: Origins = {(): Origin(shown), **{key: Origin(shown, line) for key, line in source.lines.items()}}
        tree = dict(source.tree)
        chain = (*chain, path.resolve())
        for parent in self._parents(tree.pop("extends", None), origins):
            origin = origins.get(("extends",), origins[()])
            found = self.find(parent, path.parent, origin)
            if found and found.resolve() in chain:
                loop = " -> ".join(_shown(each) for each in (*chain[chain.index(found.resolve()) :], found.resolve()))
                self.problems.append(f"{origin}: extends: a recipe cannot extend itself: {loop}.")
            elif found and len(self.layers) < MAX_LAYERS:
                self.read(found, chain)
            elif found:
                self.problems.append(f"{origin}: extends: more than {MAX_LAYERS} layers.")
                return
        if "plugins" in tree:
            tree["plugins"] = _absolute(tree["plugins"], path.parent)
        self.layers.append(Layer(tree, origins))

    def override(self, text: str) -> None:
        """Add one `key=value` of the command line; the value is YAML."""
        key, equals, value = text.partition("=")
        parts = key.strip().split(".")
        if not equals or not all(parts):
            self.problems.append(f"command line: {text!r} is not of the form key=value, as in train.steps=100.")
            return
        if parts == ["extends"]:
            self.problems.append("command line: extends: belongs into a recipe file.")
            return
        source = parse(value)
        if source.problems:
            self.problems += [f"command line: {key}: {value!r}: {message}" for _, message in source.problems]
            return
        tree = _absolute(source.tree, Path()) if parts == ["plugins"] else source.tree
        for part in reversed(parts):
            tree = {part: tree}
        self.layers.append(Layer(tree, {tuple(parts[:n]): Origin("command line") for n in range(1, len(parts) + 1)}))

    def _parents(self, extends: Any, origins: Origins) -> Sequence[str]:
        parents = [] if extends is None else extends if isinstance(extends, list) else [extends]
        if not all(isinstance(parent, str) for parent in parents):
            self.problems.append(f"{origins[('extends',)]}: extends: a path, a recipe's name, or a list of these.")
            return []
        return parents


def _absolute(files: Any, folder: Path) -> Any:
    """Plug-in files start from the file that names them; what no file can be called stays as it is, to be refused by name."""
    if not isinstance(files, list):
        return files
    local = [isinstance(each, str) and "://" not in each and "\0" not in each for each in files]
    return [str((folder / each).resolve()) if is_local else each for each, is_local in zip(files, local, strict=True)]


def _shown(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path.absolute()) if relative.startswith("..") else relative
