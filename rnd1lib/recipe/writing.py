"""A tree as YAML text with the origin of each value behind it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from omegaconf._utils import get_omega_conf_dumper

from rnd1lib.recipe.problems import Origins, origin_of
from rnd1lib.recipe.typed import Key


def to_yaml(tree: dict[str, Any], origins: Origins | None = None) -> str:
    """Block style, one line a value; lists and empty mappings in one line."""
    return "\n".join(_lines(tree, (), origins)) + "\n"


def _lines(tree: dict[str, Any], key: Key, origins: Origins | None) -> Iterator[str]:
    for name, value in tree.items():
        place = (*key, name)
        head = f"{'  ' * len(key)}{_scalar(name)}:"
        if isinstance(value, dict) and value:
            yield head
            yield from _lines(value, place, origins)
        else:
            comment = f"  # {' '.join(str(origin_of(origins, place)).split())}" if origins is not None else ""
            yield f"{head} {_scalar(value)}{comment}"


def _scalar(value: Any) -> str:
    style = '"' if isinstance(value, str) and (not value.isprintable() or "#" in value) else None
    text = yaml.dump(
        value, Dumper=get_omega_conf_dumper(), default_flow_style=True, default_style=style, width=10**9, allow_unicode=True
    )
    return str(text).strip().removesuffix("...").strip()
