"""The three hooks, and the discovery of the packages that implement them. pluggy delivers; the registry looks up.

A plug-in is a module named by an entry point of the group `rnd1lib`, or a local file that a recipe lists under `plugins:` or a
person names, by `rnd1 --plugin FILE` or `add_plugins`.
`RND1_PLUGINS=a,b` picks by entry-point name (ours is `rnd1lib`), `RND1_PLUGINS=` means none.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

import pluggy

from rnd1lib.errors import PluginError, Rnd1Error
from rnd1lib.registry import Owner, Register, Registry, did_you_mean

if TYPE_CHECKING:
    import typer

hookspec = pluggy.HookspecMarker("rnd1lib")
hookimpl = pluggy.HookimplMarker("rnd1lib")


class Hooks:
    """What a plug-in may implement; each is called before the first step, never inside one."""

    @hookspec
    def rnd1_register(self, register: Register) -> None:
        """Offer components: `register.noise("zipf", "my_package.noise:Zipf")`. Called once, before any recipe is read."""

    @hookspec
    def rnd1_recipe_dirs(self) -> Sequence[Path]:  # type: ignore[empty-body]
        """Folders whose *.yaml files are recipes, named `plugin:path/without/suffix` (those of rnd1lib by the path alone)."""

    @hookspec
    def rnd1_register_commands(self, app: typer.Typer) -> None:
        """Add commands to the command line `rnd1`."""


class Broken(NamedTuple):
    """A plug-in that failed, and what it raised."""

    owner: Owner
    error: str

    def __str__(self) -> str:
        return f"plug-in {self.owner.plugin!r} ({self.owner}) is broken: {self.error}"


class Plugins:
    """The plug-ins of this process: their components, recipe folders and commands, and those that failed."""

    def __init__(self, registry: Registry | None = None) -> None:
        self.registry = registry or Registry()
        self.broken: list[Broken] = []
        self.recipe_dirs: dict[str, list[Path]] = {}
        self._managers: dict[Owner, pluggy.PluginManager] = {}

    def add(self, module: ModuleType, owner: Owner) -> None:
        """Take in one plug-in. What it raises makes it broken; a name that is taken is an Rnd1Error."""
        # A manager each: one call of a hook cannot say who answered, and a misspelt hook must have an owner.
        manager = pluggy.PluginManager("rnd1lib")
        manager.add_hookspecs(Hooks)
        offered = Registry()
        error = None
        try:
            manager.register(module, owner.plugin)
            manager.check_pending()
            manager.hook.rnd1_register(register=Register(offered, owner))
            folders = manager.hook.rnd1_recipe_dirs()
            self.recipe_dirs[owner.plugin] = [Path(folder) for several in folders for folder in several]
            self._managers[owner] = manager
        except Exception as raised:
            error = f"{type(raised).__name__}: {raised}"
            self.broken.append(Broken(owner, error))
        for entry in offered:
            self.registry.add(entry._replace(error=error and f"its plug-in broke while registering: {error}"))

    def add_commands(self, app: typer.Typer) -> None:
        """Let every plug-in add its commands; one that fails is broken."""
        for owner, manager in self._managers.items():
            try:
                manager.hook.rnd1_register_commands(app=app)
            except Exception as raised:
                self.broken.append(Broken(owner, f"{type(raised).__name__}: {raised}"))

    def with_files(self, files: Iterable[Path]) -> Registry:
        """A registry with the components of these local files besides, for one recipe alone. PluginError: a file failed.

        A file that is there already, since `add_plugins` named it, is not added again.
        """
        local = Plugins(self.registry.copy())
        known = {entry.owner.plugin for entry in self.registry}
        for file in files:
            if str(file) in known:
                continue
            local.add(_module_of(file), Owner(str(file), str(file), ""))
        if local.broken:
            raise PluginError("\n".join(map(str, local.broken)))
        return local.registry.freeze()


@functools.cache
def installed() -> Plugins:
    """The plug-ins of the entry-point group `rnd1lib`, picked by RND1_PLUGINS, their registry frozen."""
    return load(importlib.metadata.entry_points(group="rnd1lib"), os.environ.get("RND1_PLUGINS"))


def add_plugins(*files: str | Path) -> None:
    """Runs these local plug-in files and offers their components for the rest of this process, as if they were installed.

    So a model that was trained with a component of a file can be loaded, and a sampler of a file used by its name. No file
    is ever run because a model's folder names it. Rnd1Error: no such file, a name that is taken. PluginError: a file failed.
    """
    paths = [Path(file).expanduser().resolve() for file in files]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise Rnd1Error(f"plug-in file {missing[0]!r}: there is no such file.")
    installed().registry = installed().with_files(paths)


def load(entry_points: Iterable[importlib.metadata.EntryPoint], chosen: str | None = None) -> Plugins:
    """Load plug-ins one by one, so that a broken one is named. chosen: names with commas between them; None means all."""
    points = {point.name: point for point in sorted(entry_points, key=lambda point: (point.name != "rnd1lib", point.name))}
    plugins = Plugins()
    for name in points if chosen is None else [part.strip() for part in chosen.split(",") if part.strip()]:
        if name not in points:
            raise Rnd1Error(
                f"RND1_PLUGINS names {name!r}.{did_you_mean(name, points)} Installed: {', '.join(points) or 'none'}."
            )
        point = points[name]
        owner = Owner(name, point.dist.name if point.dist else name, point.dist.version if point.dist else "")
        try:
            module = point.load()
        except (Exception, SystemExit) as error:
            plugins.broken.append(Broken(owner, f"{type(error).__name__}: {error}"))
            continue
        plugins.add(module, owner)
    plugins.registry.freeze()
    return plugins


def _module_of(file: Path) -> ModuleType:
    # The content is part of the name: an edited file is a new module, the same file is not run twice.
    name = ""
    try:
        name = f"rnd1_local_{file.stem}_{hashlib.sha256(file.read_bytes()).hexdigest()[:12]}"
        if name not in sys.modules:
            spec = importlib.util.spec_from_file_location(name, file)
            if spec is None or spec.loader is None:
                raise ImportError("it is no Python file (*.py)")
            sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[name])
        return sys.modules[name]
    except Exception as error:
        sys.modules.pop(name, None)
        raise PluginError(f"plug-in file '{file}' cannot be loaded: {type(error).__name__}: {error}") from error
