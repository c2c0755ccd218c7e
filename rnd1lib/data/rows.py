"""The rows that a run trains on, by their number over the whole run, whichever rank asks for them.

    rows = PackedRows(data, tokenizer.encode_document, sequence_length=2048, streams=64, seed=0, shift=1, start_token_id=...,
                      end_token_id=..., pad_token_id=..., keep=..., vocab_size=..., mask_token_id=...)
    batch = rows.batch(first_row=step * rows_a_step + rank * rows_a_rank, rows=rows_a_rank)

Global row r is packed from stream r mod `streams`, so it does not depend on the number of ranks; a rank reads only the
streams of its rows. Where ranks share a stream each packs it and passes over what is not its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import cached_property, partial
from typing import Any

from rnd1lib.data.encoding import Encode, EncodeConversation, Encoding
from rnd1lib.data.packing import Packer, Piece, Row
from rnd1lib.data.streams import Place, Read, Stream, windows
from rnd1lib.errors import DataError
from rnd1lib.kinds import Batch, Data, Document, Skipped


def everything(content: Any) -> bool:
    """Keeps each document."""
    return True


class PackedRows:
    """Rows of clean tokens from a data component: packed, shuffled within a window, resumable at any row.

    encode: text to ids. encode_conversation: messages to the ids of prompt and answer, for data that hold conversations.
    streams: how many parts the documents are dealt into. start_token_id: under shift 1 it stands
    before each document. keep: which documents are meant, by content (all). vocab_size, mask_token_id: ids that no document
    may hold. The documents start again when a stream is through; each pass shuffles otherwise.

    DataError: no documents, or ids that the model does not know. ValueError: rows asked for backwards.
    """

    def __init__(
        self,
        data: Data,
        encode: Encode,
        *,
        encode_conversation: EncodeConversation | None = None,
        sequence_length: int,
        streams: int,
        seed: int,
        shift: int,
        start_token_id: int,
        end_token_id: int,
        pad_token_id: int,
        keep: Callable[[Any], bool] | None = None,
        vocab_size: int | None = None,
        mask_token_id: int | None = None,
    ) -> None:
        if streams < 1:
            raise ValueError(f"streams: {streams} is too few; at least 1.")
        self._data, self._seed = data, seed
        self._most_streams, self._keep = streams, keep or everything
        self._tokens = Encoding(encode, encode_conversation, vocab_size, mask_token_id)
        self._packer = Packer(
            sequence_length=sequence_length,
            shift=shift,
            start_token_id=start_token_id,
            end_token_id=end_token_id,
            pad_token_id=pad_token_id,
        )
        self._open: dict[int, Stream] = {}
        self._places: dict[int, Place] = {}
        self._next_row = 0
        self.text_places = 0
        """How many places of the rows that `batch` gave last hold text: neither padding nor what pads an answer."""

    @cached_property
    def streams(self) -> int:
        """How many streams there are: as many as asked for, halved until each has a document (endless data: not halved)."""
        count = self._most_streams
        while not getattr(self._data, "endless", False) and not self._fills(count):
            if count == 1:
                raise DataError(f"{self._data!r}: there is no document in it, or none that is kept.")
            count //= 2
        return count

    def batch(self, first_row: int, rows: int) -> Batch:
        """Rows `first_row` to `first_row + rows` of the run, `[rows, sequence_length]` each tensor."""
        if rows < 1:
            raise ValueError(f"rows: {rows} is too few; at least 1.")
        if first_row < self._next_row:
            raise ValueError(f"first_row: {first_row} lies before row {self._next_row}; rows are read forwards only.")
        self._next_row = first_row + rows
        read = [self._row(number) for number in range(first_row, first_row + rows)]
        self.text_places = sum(len(piece.ids_N) - piece.padding for row in read for piece in row)
        return self._packer.batch(read)

    def epoch_rows(self) -> int:
        """How many rows one pass over the documents packs to; reads and encodes all of them."""
        return sum(
            len(window.rows) for stream in range(self.streams) for window in windows(self._read(stream, None), self._packer)
        )

    def state_dict(self) -> dict[str, Any]:
        """A JSON value for each stream that this rank has touched or was given; `merge_states` makes one of all ranks'."""
        places = self._places | {stream: opened.place for stream, opened in self._open.items()}
        return {str(stream): asdict(place) for stream, place in sorted(places.items())}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from a state, whoever saved it: the rows behind those of the saving run are the same as without a stop."""
        self._open, self._next_row = {}, 0
        self._places = {int(stream): Place(**place) for stream, place in state.items()}

    def _row(self, number: int) -> Row:
        row, stream = divmod(number, self.streams)
        if stream not in self._open:
            self._open[stream] = Stream(
                partial(self._read, stream), self._packer, f"stream {stream}, seed {self._seed}", self._places.get(stream)
            )
        return self._open[stream].row(row)

    def _fills(self, streams: int) -> bool:
        return all(any(True for _ in self._documents(stream, streams, None)) for stream in range(streams))

    def _documents(self, stream: int, streams: int, cursor: Any) -> Iterator[Document]:
        """The documents that are meant: kept, and not empty."""
        for document in self._data.documents(stream, streams, cursor):
            if isinstance(document, Skipped):
                raise DataError(document.reason)
            if len(document.content) and self._keep(document.content):
                yield document

    def _read(self, stream: int, cursor: Any) -> Iterator[Read]:
        for document in self._documents(stream, self.streams, cursor):
            pieces = self._pieces(document)
            if pieces:
                yield Read(pieces, document.cursor)

    def _pieces(self, document: Document) -> list[Piece]:
        try:
            tokens = self._tokens(document)
            return self._packer.pieces(tokens) if len(tokens.ids_N) else []
        except DataError as error:
            where = f"the document that ends at {json.dumps(document.cursor)}"
            raise DataError(f"{self._data!r}: {where}: {error}") from error


def merge_states(states: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One state of those that the ranks saved at the same step: of each stream the place that is furthest on."""
    merged: dict[str, Any] = {}
    for state in states:
        for stream, place in state.items():
            if stream not in merged or place["row"] > merged[stream]["row"]:
                merged[stream] = dict(place)
    return merged
