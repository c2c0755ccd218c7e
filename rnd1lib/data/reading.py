"""A source read as a whole, for what is worked out before any row is packed."""

from __future__ import annotations

from collections.abc import Iterator

from rnd1lib.data.faults import Faults, Tally
from rnd1lib.kinds import Data, Document


def whole_documents(data: Data) -> Iterator[Document]:
    """Every document of a source, as one stream; broken ones are passed over, since packing counts and names them."""
    return (item for item in data.documents(0, 1) if isinstance(item, Document))


def inspected_documents(data: Data, faults: Faults) -> Iterator[Document]:
    """The same, of a source with an end; broken ones are named. DataError, at the end: more than may be."""
    tally = Tally()
    for item in data.documents(0, 1):
        if isinstance(item, Document):
            tally += Tally(kept=1)
            yield item
        else:
            tally += Tally(skipped=1)
            faults.name(item.reason, repeated=True)
    faults.weigh(tally, through=True)
    faults.expected = tally.seen
