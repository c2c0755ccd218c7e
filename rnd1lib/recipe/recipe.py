"""A recipe as it is used: frozen, resolved, its components built on use."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

from rnd1lib.errors import RecipeError
from rnd1lib.kinds import AttentionMask, Callback, Data, Evaluator, Kind, LrGroups, Model, Noise, Objective, Sampler
from rnd1lib.recipe.arithmetic import settled
from rnd1lib.recipe.options import make
from rnd1lib.recipe.problems import Origins
from rnd1lib.recipe.sections import DataSection, Entry, ModelSection, RunSection
from rnd1lib.recipe.train_section import TrainSection
from rnd1lib.recipe.typed import Key
from rnd1lib.recipe.writing import to_yaml
from rnd1lib.registry import Owner, Registry

LOCKED = ("rnd1lib", "torch", "torchtitan", "omegaconf")


def _built(*key: str) -> Any:
    return cached_property(lambda components: components._made(key))


def _built_group(group: str) -> Any:
    return cached_property(lambda components: components._several(group))


class Components:
    """The components of a recipe by kind, each made when it is first asked for; None where the recipe names none."""

    attention_mask: AttentionMask = _built("attention_mask")
    noise: Noise | None = _built("noise")
    """None is possible only under an objective that does not corrupt."""
    objective: Objective = _built("objective")
    lr_groups: LrGroups = _built("lr_groups")
    sampler: Sampler | None = _built("sampler")
    data: Data = _built("data")
    model: Model = _built("model")
    evaluators: dict[str, Evaluator] = _built_group("evaluators")
    callbacks: dict[str, Callback] = _built_group("callbacks")

    def __init__(self, registry: Registry, references: Mapping[Key, tuple[Kind, str, dict[str, Any]]]) -> None:
        self._registry = registry
        self._references = references

    def owners(self) -> set[Owner]:
        """The packages that the named components come from."""
        return {self._registry.find(kind, use).owner for kind, use, _ in self._references.values()}

    def _several(self, group: str) -> dict[str, Any]:
        return {str(key[1]): self._made(key) for key in self._references if key[0] == group}

    def _made(self, key: Key) -> Any:
        if key not in self._references:
            return None
        component, misfits = make(self._registry, *self._references[key])
        if misfits:
            raise RecipeError([misfit.message for misfit in misfits])
        return component


@dataclass(frozen=True)
class Recipe:
    """What `load_recipe` gives.

    tree: resolved plain data, values of the environment included. written: the same with `${oc.env:NAME}` kept, fit to be
    saved. titan: only what the recipe overrides there. origins: key -> where it was last set.
    """

    about: str
    model: ModelSection
    data: DataSection
    train: TrainSection
    run: RunSection
    evaluators: dict[str, Entry]
    callbacks: dict[str, Entry]
    titan: dict[str, Any]
    components: Components = field(repr=False, compare=False)
    registry: Registry = field(repr=False, compare=False)
    tree: dict[str, Any] = field(repr=False)
    written: dict[str, Any] = field(repr=False)
    origins: Origins = field(repr=False, compare=False)

    def to_yaml(self, *, origins: bool = True) -> str:
        """A recipe file that loads to the same recipe; each value's origin is a comment behind it."""
        return to_yaml(self.written, self.origins if origins else None)

    def settle(self, total: int) -> Recipe:
        """The recipe with its warm-up and stages in steps: shares of `total` steps, resolved at the first start of a run."""
        lengths = settled(self.train, total)
        stages = {name: replace(stage, length=lengths["stages"][name]["length"]) for name, stage in self.train.stages.items()}
        return replace(
            self,
            train=replace(self.train, warmup=lengths["warmup"], stages=stages),
            tree=self.tree | {"train": _overlaid(self.tree["train"], lengths)},
            written=self.written | {"train": _overlaid(self.written["train"], lengths)},
        )

    @property
    def digest(self) -> str:
        """SHA-256 of what to_yaml writes, whatever the origins of its values."""
        return hashlib.sha256(self.to_yaml(origins=False).encode()).hexdigest()

    def plugins_lock(self) -> dict[str, str]:
        """package -> version of the core, of torch, and of every plug-in that is named; a local file's SHA-256."""
        packages = {name: metadata.version(name) for name in LOCKED}
        files = {file: f"sha256:{hashlib.sha256(Path(file).read_bytes()).hexdigest()}" for file in self.tree.get("plugins", [])}
        return (
            packages
            | {owner.package: owner.version for owner in sorted(self.components.owners()) if owner.package not in files}
            | files
        )


def _overlaid(tree: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    inner = {name: _overlaid(tree.get(name, {}), value) for name, value in values.items() if isinstance(value, dict)}
    return {**tree, **values, **inner}
