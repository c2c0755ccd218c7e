"""Which checkpoints of a run are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Needed(NamedTuple):
    """A checkpoint that those behind it, of steps before `until`, cannot go on without."""

    step: int
    until: int


def stale(steps: Sequence[int], keep_latest: int, loaded: int | None, needed: Needed | None) -> list[int]:
    """What retention removes of whole checkpoints, given in the order of saving.

    All but the newest, the one that the run went on from, and the one that another one here needs.
    """
    asked_for = needed is not None and any(needed.step < step < needed.until for step in steps)
    kept = {loaded, needed.step if needed and asked_for else None}
    return [step for step in steps[:-keep_latest] if step not in kept]
