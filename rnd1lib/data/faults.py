"""Documents counted by what became of them; the broken ones named, and weighed against what the recipe allows."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from rnd1lib.errors import DataError

SHARE = 0.001
NAMED = 10


@dataclass(frozen=True)
class Tally:
    """How many documents were kept, held out from training, dropped since they are empty, and skipped since they are broken."""

    kept: int = 0
    held_out: int = 0
    dropped: int = 0
    skipped: int = 0

    @property
    def seen(self) -> int:
        """All of them."""
        return self.kept + self.held_out + self.dropped + self.skipped

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.kept + other.kept,
            self.held_out + other.held_out,
            self.dropped + other.dropped,
            self.skipped + other.skipped,
        )

    def __str__(self) -> str:
        return (
            f"{self.seen} documents read for the first time: {self.kept} kept, {self.held_out} held out, "
            f"{self.dropped} dropped (empty), {self.skipped} skipped (broken)"
        )


class Faults:
    """What becomes of a source's broken documents: the first ten are named on stderr, and too many end the run.

    limit: the share of the documents that may be broken; 0: none may. speaks: False on a rank that only repeats what
    another one says.
    """

    def __init__(self, limit: float = SHARE, *, speaks: bool = True) -> None:
        self.limit, self.speaks = limit, speaks
        self.expected = 0
        """How many documents there are, as far as that is known before they are read."""
        self._named: list[str] = []

    def name(self, reason: str, *, repeated: bool = False) -> None:
        """Says what is wrong with a document. repeated: every rank reads it. DataError: none may be broken."""
        if not self.limit:
            raise DataError(f"{reason} (data.on_error allows no broken document.)")
        if len(self._named) < NAMED and reason not in self._named:
            self._named.append(reason)
            if self.speaks or not repeated:
                print(f"skipped: {reason}", file=sys.stderr, flush=True)

    def weigh(self, tally: Tally, *, through: bool) -> None:
        """Raises DataError where more documents are broken than may be.

        through: all have been seen. Before that, as many may be broken as of the number expected, or of the number at which
        the limit allows one.
        """
        of = tally.seen if through else max(tally.seen, self.expected or 1 / (self.limit or 1))
        if tally.skipped > self.limit * of:
            first = f" The first: {self._named[0]}" if self._named else ""
            above = f"The first {NAMED}" if tally.skipped > NAMED else "They"
            raise DataError(
                f"{tally.skipped} of {tally.seen} documents are broken, and data.on_error allows {self.limit:.4%} of "
                f"{'all' if through else f'the first {of:.0f}'}. {above} are named above.{first}"
            )
