"""Markdown of texts that come from outside: nothing in them is markup."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

LONGEST = 2000
"""Characters of a text that are shown."""
MARKS = re.compile(r"([\\`*_\[\]#|~$])")


def text(value: object) -> str:
    """A text from outside as one line of Markdown that is nothing but text."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in str(value)[:LONGEST]).split())
    return MARKS.sub(r"\\\1", html.escape(line, quote=False))


def table(rows: Mapping[str, object]) -> str:
    """Two columns without a heading."""
    return "\n".join(["| | |", "| --- | --- |", *(f"| {text(name)} | {text(value)} |" for name, value in rows.items())])


def fenced(content: str, language: str) -> str:
    """A block of code, whatever is in it."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", content)), default=0))
    return f"{fence}{language}\n{content.rstrip()}\n{fence}"
