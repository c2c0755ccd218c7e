"""`${train.seed}` and `${oc.env:NAME}`: the values that one place of the merged tree takes from another."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import GrammarParseError, OmegaConfBaseException

from rnd1lib.recipe.problems import Problems, spelled
from rnd1lib.recipe.typed import Key

_RESOLVER = re.compile(r"\$\{\s*([\w.]+)\s*:")


def interpolate(tree: dict[str, Any], problems: Problems) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tree with every interpolation resolved, and one that keeps those that need the environment, fit to be saved.

    A failed interpolation is a problem of its key, and null in both trees.
    """
    tree = copy.deepcopy(tree)
    for key, text in list(_interpolations(tree, ())):
        complaint = _complaint(text)
        if complaint:
            problems.add(key, f"{spelled(key)}: {complaint}")
            _put(tree, key, None)
    resolved, failed = _resolved(tree)
    for key, error in failed.items():
        problems.add(key, f"{spelled(key)}: {error}")
        _put(resolved, key, None)
        _put(tree, key, None)
    return resolved, _without_environment(tree)


def _without_environment(tree: dict[str, Any]) -> dict[str, Any]:
    """What the environment feeds, directly or through other keys, is what no longer resolves when it is cut off."""
    cut = copy.deepcopy(tree)
    secret = {key: text for key, text in _interpolations(cut, ()) if "oc.env" in text}
    for key in secret:
        _put(cut, key, "${_environment_}")
    safe, failed = _resolved(cut)
    texts = dict(_interpolations(tree, ()))
    for key in failed:
        _put(safe, key, texts[key])
    return safe


def _complaint(text: str) -> str | None:
    try:
        OmegaConf.create({"value": text})
    except GrammarParseError:
        return f"{text!r} is no interpolation; they are written ${{train.seed}} or ${{oc.env:NAME}}."
    for resolver in _RESOLVER.findall(text):
        if resolver != "oc.env":
            return f"{text!r}: {resolver!r} is no resolver of recipes; the only one is oc.env, as in ${{oc.env:NAME}}."
    return None


def _resolved(tree: dict[str, Any]) -> tuple[dict[str, Any], dict[Key, str]]:
    config = OmegaConf.create(tree)
    resolved, failed = copy.deepcopy(tree), {}
    for key, text in list(_interpolations(tree, ())):
        try:
            node: Any = config
            for part in key:
                node = node[part]
            _put(resolved, key, OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node)
        except (OmegaConfBaseException, RecursionError) as error:
            reason = str(error).splitlines()[0].removeprefix("KeyError raised while resolving interpolation: ").strip('"')
            failed[key] = f"{text!r}: {reason}."
    return resolved, failed


def _interpolations(value: Any, key: Key) -> Iterator[tuple[Key, str]]:
    if isinstance(value, str) and "${" in value:
        yield key, value
    elif isinstance(value, (dict, list)):
        for part, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _interpolations(inner, (*key, part))


def _put(tree: Any, key: Key, value: Any) -> None:
    for part in key[:-1]:
        tree = tree[part]
    tree[key[-1]] = value
