"""What a data source promises: documents in a fixed order, in disjoint streams, from behind any cursor, without a state."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch

from rnd1lib.kinds import Conversation, Data, Document
from rnd1lib.testing.promise import demand, promise
from rnd1lib.testing.purity import no_process_rng, twice

MOST = 600
"""Documents that a check reads of a stream; a source that has more is compared as far as that."""
CURSOR_BYTES = 4096


def read(data: Data, stream: int, streams: int, cursor: Any = None, most: int = MOST) -> list[Any]:
    """The first documents of a stream, with those that the source passed over."""
    return list(islice(data.documents(stream, streams, cursor), most))


def content(document: Any) -> Any:
    """What two documents are compared by; of one that was passed over, the reason."""
    if not isinstance(document, Document):
        return repr(document._replace(cursor=None))
    words = document.content if isinstance(document.content, str) else repr(plain(document.content))
    return words, None if document.maskable is None else tuple(map(bool, document.maskable)), document.pad_to, document.source


def plain(content: Any) -> list[Any]:
    """Ids or messages as a list."""
    if isinstance(content, Conversation):
        return [dict(message) for message in content.messages]
    return list(content.tolist() if isinstance(content, torch.Tensor) else content)


def contents(documents: list[Any]) -> list[Any]:
    """Of each."""
    return [content(document) for document in documents]


def as_saved(cursor: Any) -> Any:
    """A cursor as a checkpoint gives it back."""
    return json.loads(json.dumps(cursor))


def stops(documents: list[Any]) -> Iterator[int]:
    """Where to stop and go on: behind the first documents, in the middle and behind the last."""
    return iter(sorted({place for place in (0, 1, 2, len(documents) // 2, len(documents) - 1) if 0 <= place < len(documents)}))


@promise
def documents_are_text_ids_or_conversations(data: Data) -> None:
    """content is a text, ids from 0 up or messages with role and content; maskable comes with ids alone, one for each."""
    documents = [each for each in read(data, 0, 1) if isinstance(each, Document)]
    demand(len(documents) > 0, "there is no document in it.")
    for number, document in enumerate(documents):
        demand(
            document.pad_to in (None, "row") or int(document.pad_to or 0) > 0, f"document {number}: pad_to {document.pad_to!r}."
        )
        if isinstance(document.content, str | Conversation):
            demand(document.maskable is None, f"document {number} has no ids and says which are maskable.")
        if isinstance(document.content, Conversation):
            told = all(isinstance(m.get(key), str) for m in document.content.messages for key in ("role", "content"))
            demand(told and len(document.content.messages) > 1, f"document {number} is no prompt with an answer.")
        elif not isinstance(document.content, str):
            ids = plain(document.content)
            demand(all(isinstance(token, int) and token >= 0 for token in ids), f"document {number} has odd ids.")
            marked = len(ids) if document.maskable is None else len(document.maskable)
            demand(marked == len(ids), f"document {number}: {len(ids)} ids, {marked} marks.")


@promise
def a_document_names_a_source_that_the_data_list(data: Data) -> None:
    """`source` is None, or one of the attribute `source_names`: each one's share of the tokens is logged."""
    names = tuple(getattr(data, "source_names", ()))
    told = {each.source for each in read(data, 0, 1) if isinstance(each, Document)} - {None}
    demand(told <= set(names), f"documents are of {sorted(map(str, told))}, source_names is {names}.")


@promise
def a_cursor_is_a_small_json_value(data: Data) -> None:
    """It goes into every checkpoint: plain JSON that reads back as it was, at most 4 kB."""
    for document in read(data, 0, 2):
        written = json.dumps(document.cursor)
        demand(document.cursor is not None, "a cursor is None, which means the start.")
        demand(json.loads(written) == document.cursor, f"the cursor {document.cursor!r} reads back as {json.loads(written)!r}.")
        demand(len(written) <= CURSOR_BYTES, f"a cursor of {len(written)} bytes.")


@promise
def an_iterator_made_with_a_cursor_goes_on_behind_it(data: Data) -> None:
    """documents(s, S, cursor of document i) begins with document i + 1: nothing is lost, nothing comes twice."""
    for stream, streams in ((0, 1), (1, 3)):
        documents = read(data, stream, streams)
        for place in stops(documents):
            resumed = contents(read(data, stream, streams, as_saved(documents[place].cursor), MOST - place - 1))
            expected = contents(documents[place + 1 :])
            lost = len(expected) - len(resumed)
            demand(
                resumed == expected, f"stream {stream} of {streams}: {lost:+d} are missing behind document {place}, or others."
            )


@promise
def a_cursor_holds_after_a_resume_too(data: Data) -> None:
    """Cursors of a resumed iterator are those of the uninterrupted one: a run may stop more than once."""
    documents = read(data, 0, 2)
    if len(documents) > 1:
        resumed = read(data, 0, 2, as_saved(documents[0].cursor), MOST - 1)
        told, meant = ([document.cursor for document in each] for each in (resumed, documents[1:]))
        demand(told == meant, f"the first cursor behind the resume is {told[:1]}, without it {meant[:1]}.")


@promise
def streams_are_disjoint_and_complete(data: Data) -> None:
    """For any number of streams their documents together are those of one stream, each once; in a mixture, which starts its
    shorter sources again, each in one stream."""
    whole = contents(read(data, 0, 1))
    again = hasattr(data, "source_names")
    for streams in (2, 3):
        parts = [contents(read(data, stream, streams)) for stream in range(streams)]
        if again:
            parts = [list(dict.fromkeys(each)) for each in parts]
        if len(whole) < MOST:
            together = Counter(each for part in parts for each in part)
            meant = Counter(dict.fromkeys(whole, 1) if again else whole)
            missing, surplus = meant - together, together - meant
            seen = f"{streams} streams lack {missing.total()} documents and have {surplus.total()} twice or from nowhere."
            demand(not missing and not surplus, seen)
        demand(len(whole) < streams or parts[0] != parts[1], f"two of {streams} streams have the same documents.")


@promise
def a_stream_has_a_fixed_order(data: Data) -> None:
    """The same documents at every reading; no generator of the process plays a part."""
    with no_process_rng():
        first = contents(read(data, 1, 2))
    one, two = twice(lambda: contents(read(data, 1, 2)))
    demand(first == one == two, "a second reading gave other documents.")


@promise
def a_source_keeps_no_state(data: Data) -> None:
    """Two iterators at once do not disturb each other: the cursor is all there is."""
    one, two, alone = data.documents(0, 2), data.documents(1, 2), [contents(read(data, s, 2, most=40)) for s in (0, 1)]
    turns: list[list[Any]] = [[], []]
    for _ in range(40):
        for taken, iterator in zip(turns, (one, two), strict=True):
            taken.extend(content(document) for document in islice(iterator, 1))
    demand(turns == alone, "read by turns, two streams give other documents than one after the other.")
