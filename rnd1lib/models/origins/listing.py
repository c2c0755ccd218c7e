"""Long lists of what is wrong with tensors, made shorter with every tensor still named."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

LISTED = 100
"""So many lines of one kind are given one by one, more than a layer has; a folder of another model has thousands."""
NUMBER = re.compile(r"(?<=\.)(\d+)(?=[.:])")


def folded(lines: Sequence[str], what: str) -> list[str]:
    """The lines, `NAME: what is wrong`; of very many those that differ by a layer's or an expert's number are one.

    `layers.{0-47}.mlp.experts.{0-127}.up_proj.weight: missing.` names 6144. What is still longer, as names without an order
    are, is cut, and says how many more there are.
    """
    if len(lines) > LISTED:
        pieces = [NUMBER.split(line) for line in lines]
        for place in range(max(map(len, pieces)) - 2, 0, -2):  # numbers are the odd ones; the last vary first
            pieces = _fold(pieces, place)
        lines = ["".join(each) for each in pieces]
    more = len(lines) - LISTED
    return [*lines] if more <= 0 else [*lines[:LISTED], f"... and {more} lines more, {what}."]


def _fold(pieces: Iterable[list[str]], place: int) -> list[list[str]]:
    """Those that differ at this place alone, as one that says all that stand there; in the order of the first of each."""
    alike: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for each in pieces:
        alike[(*each[:place], "", *each[place + 1 :])] += each[place : place + 1]
    return [
        [*rest[:place], numbers[0] if len(numbers) == 1 else f"{{{_ranges(map(int, numbers))}}}", *rest[place + 1 :]]
        if numbers
        else list(rest[:place])
        for rest, numbers in alike.items()
    ]


def _ranges(numbers: Iterable[int]) -> str:
    """`0-3, 7` of 0, 1, 2, 3 and 7."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)
