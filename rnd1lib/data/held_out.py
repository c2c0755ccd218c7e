"""Which documents are kept from training, for validation: those of lowest sha256, so the choice depends on content alone."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from hashlib import sha256

from rnd1lib.data.reading import whole_documents
from rnd1lib.kinds import Data

SHARE = 0.01
FEWEST = 16


def held_out(data: Data) -> Callable[[str | Sequence[int]], bool]:
    """Says of a document's content whether it is held out: 1 % of the documents, at least 16, at most half of them.

    A finite source is read once, as one stream; of an `endless` one every document whose sha256 is below 1 % of the
    largest is held out. Copies of a document fall on the same side. The streams of a run play no part.
    """
    if getattr(data, "endless", False):
        limit = int(SHARE * 2**256).to_bytes(32, "big")
        return lambda content: _digest(content) < limit
    digests = sorted({_digest(document.content) for document in whole_documents(data) if len(document.content)})
    chosen = frozenset(digests[: min(max(FEWEST, round(SHARE * len(digests))), len(digests) // 2)])
    return lambda content: _digest(content) in chosen


def _digest(content: str | Sequence[int]) -> bytes:
    return sha256(content.encode() if isinstance(content, str) else array("q", content).tobytes()).digest()
