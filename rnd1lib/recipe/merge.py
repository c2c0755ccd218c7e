"""Layers into one tree, with the origin of every key."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from rnd1lib.kinds import Kind
from rnd1lib.recipe.layers import Layer
from rnd1lib.recipe.problems import Origins
from rnd1lib.recipe.sections import CORE_KEYS, NESTED_KEYS
from rnd1lib.recipe.train_section import LENGTHS
from rnd1lib.recipe.typed import Key

SLOTS: tuple[Kind, ...] = ("model", "attention_mask", "noise", "objective", "lr_groups", "sampler", "data")
"""The keys of a recipe that hold one component; evaluators and callbacks hold several."""


KEYS = ("about", "plugins", *SLOTS, "train", "evaluators", "callbacks", "run", "titan")
"""Every key of a merged recipe, in the order in which it is written."""


def merge(layers: Iterable[Layer]) -> Layer:
    """Later layers win; lists are replaced (plugins joined); a changed `use` drops the options that stood below it.

    Of `train.{steps, tokens, epochs}` the one set last stays. An entry of evaluators, callbacks or
    `train.stages` that is null is gone.
    """
    tree: dict[str, Any] = {}
    origins: Origins = {}
    for layer in layers:
        _lay(tree, origins, _named(layer.tree), layer.origins, ())
        origins[()] = layer.origins.get((), origins.get(()))  # type: ignore[assignment]
    for group in ("evaluators", "callbacks"):
        if isinstance(tree.get(group), dict):
            tree[group] = {name: entry for name, entry in tree[group].items() if entry is not None}
        elif group in tree and tree[group] is None:
            tree[group] = {}
    train = tree.get("train")
    if isinstance(train, dict) and isinstance(train.get("stages"), dict):
        train["stages"] = {name: stage for name, stage in train["stages"].items() if stage is not None}
    elif isinstance(train, dict) and "stages" in train and train["stages"] is None:
        train["stages"] = {}
    return Layer({key: tree[key] for key in sorted(tree, key=_place)}, origins)


def _place(key: str) -> int:
    return KEYS.index(key) if key in KEYS else len(KEYS)


def _named(tree: dict[str, Any]) -> dict[str, Any]:
    """A component's name alone, spelled out as {use: name}."""
    tree = copy.deepcopy(tree)
    for slot in SLOTS:
        if isinstance(tree.get(slot), str):
            tree[slot] = {"use": tree[slot]}
    for group in ("evaluators", "callbacks"):
        if isinstance(tree.get(group), dict):
            tree[group] = {name: {"use": v} if isinstance(v, str) else v for name, v in tree[group].items()}
    return tree


def _lay(below: dict[str, Any], origins: Origins, above: Mapping[str, Any], new: Origins, key: Key) -> None:
    if "use" in above and "use" in below and above["use"] != below["use"]:
        kept = (*CORE_KEYS.get(str(key[0]), ()), *(NESTED_KEYS if len(key) > 1 else ()))
        for name in [name for name in below if name not in kept]:
            _forget(below, origins, (*key, name))
    if key == ("train",) and any(above.get(name) is not None for name in LENGTHS):
        for name in LENGTHS:
            below[name] = None
    for name, value in above.items():
        place = (*key, name)
        if place == ("plugins",) and isinstance(value, list) and isinstance(below.get(name), list):
            value = below[name] + [each for each in value if each not in below[name]]
        if isinstance(value, dict) and isinstance(below.get(name), dict):
            _lay(below[name], origins, value, new, place)
            if place in new:
                origins[place] = new[place]
        else:
            _forget(below, origins, place)
            below[name] = value
            origins.update({each: origin for each, origin in new.items() if each[: len(place)] == place})


def _forget(below: dict[str, Any], origins: Origins, place: Key) -> None:
    below.pop(str(place[-1]), None)
    for stale in [each for each in origins if each[: len(place)] == place]:
        del origins[stale]
