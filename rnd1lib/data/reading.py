"""A source read as a whole, for what is worked out before any row is packed."""

from __future__ import annotations

from collections.abc import Iterator

from rnd1lib.data.faults import Faults, Tally
from rnd1lib.errors import DataError
from rnd1lib.kinds import Conversation, Data, Document

BYTES_OF_A_TOKEN = 4
"""Of text, about; what a token id counts as beside text."""


def whole_documents(data: Data) -> Iterator[Document]:
    """Every document of a source, as one stream; broken ones are passed over, since packing counts and names them."""
    return (item for item in data.documents(0, 1) if isinstance(item, Document))


def check_not_empty(data: Data) -> None:
    """Reads up to the first document. DataError: there is none, or each is broken, of which the first is named."""
    broken, first = 0, ""
    for item in data.documents(0, 1):
        if isinstance(item, Document):
            return
        broken, first = broken + 1, first or item.reason
    what = f"there is no document in it but {broken} broken. The first: {first}" if broken else "there is no document in it."
    raise DataError(f"{data!r}: {what}")


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


def size(document: Document) -> int:
    """How much text a document holds, in bytes of UTF-8, before it is encoded."""
    content = document.content
    if isinstance(content, str):
        return len(content.encode())
    if isinstance(content, Conversation):
        return sum(len(message["content"].encode()) for message in content.messages)
    return BYTES_OF_A_TOKEN * len(content)
