"""What differs between two recipes, and which differences a run that goes on may have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rnd1lib.recipe.arithmetic import steps
from rnd1lib.recipe.load import read_recipe
from rnd1lib.recipe.problems import origin_of, spelled
from rnd1lib.recipe.recipe import Recipe
from rnd1lib.recipe.train_section import LENGTHS
from rnd1lib.recipe.typed import Key

FREE: tuple[Key, ...] = (
    ("about",),
    ("run",),
    ("callbacks",),
    ("evaluators",),
    ("data", "on_error"),
    *(("titan", name) for name in ("checkpoint", "metrics", "debug", "compile", "parallelism")),
)
"""What may change from one start of a run to the next; `titan.parallelism` since it is how the ranks are arranged."""


class _Absent:
    def __repr__(self) -> str:
        return "(absent)"


ABSENT = _Absent()


class Difference(NamedTuple):
    """One key that two trees do not agree on; ABSENT where a tree has it not."""

    key: Key
    first: Any
    second: Any


def differences(first: Any, second: Any, key: Key = ()) -> Iterator[Difference]:
    """The differing values of two trees, key by key; lists are compared whole, an absent mapping counts as an empty one."""
    if {type(first), type(second)} <= {dict, _Absent} and first is not second:
        first, second = ({} if side is ABSENT else side for side in (first, second))
        for name in [*first, *(name for name in second if name not in first)]:
            yield from differences(first.get(name, ABSENT), second.get(name, ABSENT), (*key, name))
    elif first != second or isinstance(first, bool) != isinstance(second, bool):
        yield Difference(key, first, second)


def resume_problems(recorded: Path, recipe: Recipe) -> list[str]:
    """Why `recipe` cannot go on with the run whose recipe.yaml is `recorded`, a sentence a difference; empty if it can.

    May change: `run`, `callbacks`, `evaluators`, parts of `titan`, the number of ranks, more steps. What the first start
    resolved, lengths given as shares of the run, is expected to be resolved in `recipe` (`Recipe.settle`).
    """
    before = read_recipe(recorded)
    changed = [
        difference
        for difference in differences(before.written, recipe.written)
        if not any(difference.key[: len(free)] == free for free in FREE)
    ]
    lengths = [difference for difference in changed if difference.key[0] == "train" and difference.key[1] in LENGTHS]
    if _longer(before, recipe):
        changed = [difference for difference in changed if difference not in lengths]
    return [
        f"{spelled(key)}: {old} in the run, {new} now ({origin_of(recipe.origins, key)}). "
        + (
            "A run can be made longer, not shorter."
            if key[-1] in LENGTHS and key[0] == "train"
            else "Choose another run.folder."
        )
        for key, old, new in changed
    ]


def _longer(before: Recipe, after: Recipe) -> bool:
    """Whether the second run has at least the steps of the first; epochs are comparable with epochs alone."""
    if before.train.epochs is not None or after.train.epochs is not None:
        return (after.train.epochs or 0) >= (before.train.epochs or float("inf"))
    return steps(after.train) >= steps(before.train)
