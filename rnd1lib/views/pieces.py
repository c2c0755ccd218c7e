"""The texts of tokens side by side: bytes of one character become that character, and what controls a terminal is replaced."""

from __future__ import annotations

import re
from collections.abc import Sequence

BYTES = re.compile(r"⟨([0-9A-F]{2}(?: [0-9A-F]{2})*)⟩")
"""How a token's text in a trace writes bytes that are no whole character."""
CONTROL = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)], "\N{REPLACEMENT CHARACTER}")
LONGEST_CHARACTER = 4


def joined(pieces: Sequence[str]) -> list[str]:
    """The same texts, as many; where neighbours make a character together, the first has it and the others nothing."""
    texts = list(pieces)
    for first, piece in enumerate(pieces):
        if texts[first] != piece or not piece.endswith("⟩") or not BYTES.search(piece):
            continue
        for count in range(2, LONGEST_CHARACTER + 1):
            together = _decoded(pieces[first : first + count])
            if together is not None:
                texts[first : first + count] = [together] + [""] * (len(pieces[first : first + count]) - 1)
                break
    return texts


def _decoded(pieces: Sequence[str]) -> str | None:
    """Their text; None as long as their bytes are no whole characters."""
    try:
        return b"".join(_bytes(piece) for piece in pieces).decode()
    except UnicodeDecodeError:
        return None


def _bytes(piece: str) -> bytes:
    texts = BYTES.split(piece)
    return b"".join(bytes.fromhex(part) if place % 2 else part.encode() for place, part in enumerate(texts))
