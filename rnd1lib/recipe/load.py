"""From a name and overrides to a checked recipe."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import MISSING, fields
from importlib import import_module
from pathlib import Path
from typing import Any

from rnd1lib.errors import PluginError
from rnd1lib.plugins import Plugins, installed
from rnd1lib.recipe.composition import misfits as misfits_of_parts
from rnd1lib.recipe.interpolation import interpolate
from rnd1lib.recipe.layers import Layer, layers_of
from rnd1lib.recipe.merge import merge
from rnd1lib.recipe.options import PluginMisfit, make
from rnd1lib.recipe.problems import Origin, Problems
from rnd1lib.recipe.recipe import Components, Recipe
from rnd1lib.recipe.structure import Structure
from rnd1lib.recipe.train_section import INNER, TrainSection
from rnd1lib.registry import Registry


def load_recipe(path_or_name: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """A recipe, checked to the last option: structure, components (which imports them), `titan:` (which imports torchtitan).

    path_or_name: a file, a shipped recipe (`tiny/moe`), or `plugin:name`. overrides: `key=value`, each a layer of its own.
    RecipeError: every problem, each with file and line. PluginError: the only problems are a plug-in's.
    """
    draft = _Draft(path_or_name, overrides)
    draft.check_components()
    draft.check_titan()
    return draft.recipe()


def read_recipe(path_or_name: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """A recipe of which the structure alone is checked; imports no component, no torch. Errors: as `load_recipe`."""
    return _Draft(path_or_name, overrides).recipe()


class _Draft:
    def __init__(self, path_or_name: str | Path, overrides: Iterable[str]) -> None:
        self.plugins = installed()
        merged = merge([_defaults(), *layers_of(path_or_name, overrides, self.plugins)])
        self.problems = Problems(merged.origins)
        self.tree, self.written = interpolate(merged.tree, self.problems)
        self.registry = _registry(self.tree.get("plugins"), self.plugins, self.problems)
        self.structure = Structure(self.tree, self.registry, self.problems)
        self.components = Components(self.registry, self.structure.references)

    def check_components(self) -> None:
        """Make every component once, and hold them against each other."""
        made: dict[Any, Any] = {}
        for key, (kind, use, options) in self.structure.references.items():
            made[key], misfits = make(self.registry, kind, use, options)
            for misfit in misfits:
                self.problems.add((*key, *misfit.key), misfit.message, plugin=isinstance(misfit, PluginMisfit))
        for at, message in misfits_of_parts(made, self.structure):
            self.problems.add(at, message)

    def check_titan(self) -> None:
        """Hold `titan:` against torchtitan's own config; its import takes some seconds, so only if there is something."""
        if self.structure.titan:
            for key, message in import_module("rnd1lib.titan.preparation.schema").check(self.structure.titan):
                self.problems.add(("titan", *key), message)

    def recipe(self) -> Recipe:
        """The recipe, or all its problems."""
        self.problems.raise_all()
        structure = self.structure
        return Recipe(
            about=self.tree.get("about") or "",
            model=structure.model,
            data=structure.data,
            train=structure.train,
            run=structure.run,
            evaluators=structure.entries["evaluators"],
            callbacks=structure.entries["callbacks"],
            titan=structure.titan,
            components=self.components,
            registry=self.registry,
            tree=self.tree,
            written=self.written,
            origins=self.problems.origins,
        )


def _defaults() -> Layer:
    """The core's own defaults as the lowest layer, so that interpolation, `show` and the run folder see them."""
    train: dict[str, Any] = {field.name: field.default for field in fields(TrainSection) if field.default is not MISSING}
    inner = {name: {field.name: field.default for field in fields(section)} for name, section in INNER.items()}
    train |= {"betas": list(train["betas"]), **inner}
    keys = [("train",), ("run",), *(("train", name) for name in train)]
    keys += [("train", name, key) for name, values in inner.items() for key in values]
    return Layer({"train": train, "run": {}}, dict.fromkeys(keys, Origin("default")))


def _registry(files: Any, plugins: Plugins, problems: Problems) -> Registry:
    """The installed components, and those of the recipe's own plug-in files."""
    if not files:
        return plugins.registry
    if not isinstance(files, list) or not all(isinstance(file, str) for file in files):
        problems.add(("plugins",), "plugins: a list of Python files is expected.")
        return plugins.registry
    paths = []
    for index, file in enumerate(files):
        if "://" in file:
            problems.add(("plugins", index), f"plugins: {file!r} is no local file; a recipe fetches no code.")
        elif not os.path.isfile(file):  # noqa: PTH113 - Path's raises where a name is too long for any file
            problems.add(("plugins", index), f"plugins: there is no file {file!r}.")
        else:
            paths.append(Path(file))
    try:
        return plugins.with_files(paths)
    except PluginError as error:
        problems.add(("plugins",), f"plugins: {error}", plugin=True)
    return plugins.registry
