"""A source read as a whole, for what is worked out before any row is packed."""

from __future__ import annotations

from collections.abc import Iterator

from rnd1lib.kinds import Data, Document


def whole_documents(data: Data) -> Iterator[Document]:
    """Every document of a source, as one stream; broken ones are passed over, since packing counts and tells them."""
    return (item for item in data.documents(0, 1) if isinstance(item, Document))
