"""The contract of a data source, and the batch that packing makes of its documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor


class Conversation(NamedTuple):
    """What was said; the model's chat template makes text of it. In data the last message is the answer to be learned, in
    sampling it is what is to be answered.

    messages: JSON objects with the texts `role` and `content`, and whatever else the template reads.
    """

    messages: tuple[Mapping[str, Any], ...]


class Document(NamedTuple):
    """One document and the place after it.

    content: text, token ids (a tensor of any integer dtype will do), or a conversation of which only the answer may be
    masked. cursor: a small JSON value; an iterator made with it goes on behind this document. maskable: with ids only, which
    of them may be masked (None: all). source: its name in a mixture, for the shares.

    pad_to: None for text, which is split where it is longer than a row. A prompt with its answer is not split, and has
    end-of-text tokens behind it that are learned, up to a multiple of so many places or to the row's end.
    """

    content: str | Sequence[int] | Tensor | Conversation
    cursor: Any
    maskable: Sequence[bool] | Tensor | None = None
    source: str | None = None
    pad_to: int | Literal["row"] | None = None


class Skipped(NamedTuple):
    """Stands in the place of a document that is broken, for the core to count, tell and weigh against `data.on_error`.

    reason: a sentence that names file and line, and what is wrong there. cursor: as a document's.
    """

    reason: str
    cursor: Any


class Batch(NamedTuple):
    """Packed rows of clean tokens.

    ids_BL: int64. maskable_BL: bool, False for prompts, padding and the first token of each document. documents_BL: int64,
    another number for each document of a row. positions_BL: int64, from 0 in each document.
    """

    ids_BL: Tensor
    maskable_BL: Tensor
    documents_BL: Tensor
    positions_BL: Tensor


@runtime_checkable
class Data(Protocol):
    """A source of documents. It keeps no state: the core holds the cursors, packs, shuffles and resumes.

    `streams` is a logical split that does not depend on the number of ranks. An attribute `endless = True` says that the
    documents cannot all be read beforehand (held-out documents are then chosen by a threshold on their hash). An attribute
    `source_names` lists what `Document.source` may say: the tokens of each are then logged. A method `fingerprint() -> dict`
    gives by name (of a file, say) a text that changes when the documents do: a run does not go on with others.
    """

    def documents(self, stream: int, streams: int, cursor: Any = None) -> Iterator[Document | Skipped]:
        """The documents of one of `streams` disjoint parts, in a fixed order, from behind `cursor`.

        Skipped: one document is broken. DataError: the source as a whole cannot be read.
        """
