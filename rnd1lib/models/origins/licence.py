"""Under which licence a model may be used, as far as it says so itself."""

from __future__ import annotations

import re
from pathlib import Path

from rnd1lib.models.gguf.header import SUFFIX, read_header

CARD = "README.md"
UNKNOWN = "unknown"
SPELLING = re.compile(r"[a-z0-9.-]{1,40}")  # as the Hub spells licences
FIELD = re.compile(r"^license: *[\"']?([a-z0-9.-]{1,40})[\"']?\s*$", re.MULTILINE)
LONGEST = 10_000
"""Characters of a card in which its front matter ends."""


def licence_at(path: Path) -> str:
    """The licence that a GGUF file names, or a folder's README.md in its front matter; of anything else, "unknown".

    Raises ModelError for a GGUF file that is broken.
    """
    if path.suffix == SUFFIX and path.is_file():
        said = read_header(path).values.get("general.license")
        return said if isinstance(said, str) and SPELLING.fullmatch(said) else UNKNOWN
    if not (path / CARD).is_file():
        return UNKNOWN
    with (path / CARD).open(encoding="utf-8", errors="replace") as card:
        front = card.read(LONGEST).split("\n---", 1)[0]
    match = FIELD.search(front) if front.startswith("---") else None
    return match[1] if match else UNKNOWN
