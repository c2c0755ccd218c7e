"""Where each value of a recipe comes from, and everything that is wrong with it, told by that place."""

from __future__ import annotations

from typing import NamedTuple

from rnd1lib.errors import PluginError, RecipeError
from rnd1lib.recipe.typed import Key


class Origin(NamedTuple):
    """A file and a line of it, `command line`, or `default`."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


Origins = dict[Key, Origin]


def origin_of(origins: Origins, key: Key) -> Origin:
    """The origin of a key, else of the nearest one above it."""
    while key not in origins and key:
        key = key[:-1]
    return origins.get(key, Origin("recipe"))


def spelled(key: Key) -> str:
    """A key as people write it: `train.times.low`, `data.paths[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).lstrip(".")


class Problems:
    """The problems of one recipe, in the order of its files and lines; one a key, so that one mistake is told once."""

    def __init__(self, origins: Origins) -> None:
        self.origins = origins
        self._found: dict[Key, tuple[Origin, str, bool]] = {}

    def add(self, key: Key, message: str, *, plugin: bool = False) -> None:
        """Note a sentence about a key. plugin: the fault is a plug-in's, so that the exit code is 5 if there is no other."""
        self._found.setdefault(key, (origin_of(self.origins, key), message, plugin))

    def __contains__(self, key: Key) -> bool:
        return key in self._found

    def __bool__(self) -> bool:
        return bool(self._found)

    def raise_all(self) -> None:
        """RecipeError with all of them (PluginError if all are plug-ins'); nothing where there are none."""
        found = sorted(self._found.values(), key=lambda each: (each[0].source, each[0].line or 0))
        lines = [f"{origin}: {message}" for origin, message, _ in found]
        if lines and all(plugin for _, _, plugin in found):
            raise PluginError("\n".join(lines))
        if lines:
            raise RecipeError(lines)
