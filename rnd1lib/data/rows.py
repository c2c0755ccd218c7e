"""The rows that a run trains on, by their number over the whole run, whichever rank asks for them.

    rows = PackedRows(data, tokenizer.encode_document, sequence_length=2048, streams=64, seed=0, shift=1, start_token_id=...,
                      end_token_id=..., pad_token_id=..., keep=..., vocab_size=..., mask_token_id=...)
    batch = rows.batch(first_row=step * rows_a_step + rank * rows_a_rank, rows=rows_a_rank)

Global row r is packed from stream r mod `streams`, so it does not depend on the number of ranks; a rank reads only the
streams of its rows. Where ranks share a stream each packs it and passes over what is not its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, astuple, fields
from functools import cached_property, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rnd1lib.data.encoding import Encode, EncodeConversation, Encoding, fault
from rnd1lib.data.faults import Faults, Tally
from rnd1lib.data.packing import Packer, Piece, Row
from rnd1lib.data.reading import BYTES_OF_A_TOKEN, size
from rnd1lib.data.streams import Place, Read, Stream, windows
from rnd1lib.errors import DataError
from rnd1lib.kinds import Batch, Data, Document, Skipped


class Filling(NamedTuple):
    """Places of rows, and how many of them hold text: neither padding nor what pads an answer."""

    text: int = 0
    places: int = 0


ENOUGH_ROWS = 64
"""Of a stream in a pass: the last of them, half full or so, then costs less than a hundredth."""


def everything(content: Any) -> bool:
    """Keeps each document."""
    return True


class PackedRows:
    """Rows of clean tokens from a data component: packed, shuffled within a window, resumable at any row.

    encode: text to ids. encode_conversation: messages to the ids of prompt and answer, for data that hold conversations.
    streams: how many parts the documents are dealt into. start_token_id: under shift 1 it stands
    before each document. keep: which documents are meant, by content (all). vocab_size, mask_token_id: ids that no document
    may hold, or it counts as broken. faults: what becomes of broken documents. The documents start again when a stream is
    through; each pass shuffles otherwise.

    DataError: no documents, or a broken one where none may be. ValueError: rows asked for backwards.
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
        faults: Faults | None = None,
    ) -> None:
        if streams < 1:
            raise ValueError(f"streams: {streams} is too few; at least 1.")
        self._data, self._seed = data, seed
        self._most_streams, self._keep = streams, keep or everything
        self._tokens = Encoding(encode, encode_conversation, vocab_size, mask_token_id)
        self.faults = faults or Faults()
        self.source_names: tuple[str, ...] = tuple(getattr(data, "source_names", ()))
        self._tokens_by_source = dict.fromkeys(self.source_names, 0)
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
        self._filling = Filling()

    @cached_property
    def streams(self) -> int:
        """How many streams there are: as many as asked for, halved until each fills some rows (endless data: not halved).

        The last rows of a pass are packed as they are: with too few documents in a stream they would be mostly padding.
        """
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
        text = sum(len(piece.ids_N) - piece.padding for row in read for piece in row)
        self._filling = Filling(self._filling.text + text, self._filling.places + rows * self._packer.sequence_length)
        for piece in itertools.chain.from_iterable(read):
            if piece.source is not None:
                self._tokens_by_source[piece.source] += len(piece.ids_N)
        return self._packer.batch(read)

    def epoch_rows(self) -> int:
        """How many rows one pass over the documents packs to; reads and encodes all. DataError: too many are broken."""
        rows, tally = 0, Tally()
        for stream in range(self.streams):
            for window in windows(self._read(stream, None, repeated=True), self._packer):
                rows, tally = rows + len(window.rows), tally + window.tally
        self.faults.weigh(tally, through=True)
        return rows

    def counts(self) -> Tensor:
        """[streams, 5] int64: what this rank has seen of each stream's first pass (`Tally`), and whether it is through.

        A stream that several ranks read is further on at one of them; the maximum over the ranks holds for all.
        """
        counts_SN = torch.zeros(self.streams, len(fields(Tally)) + 1, dtype=torch.int64)
        for stream, place in self._all_places().items():
            counts_SN[stream] = torch.tensor([*astuple(place.tally), place.epoch > 0])
        return counts_SN

    def take_filling(self) -> Filling:
        """How full the rows were that were given out since the last call."""
        filling, self._filling = self._filling, Filling()
        return filling

    def take_tokens_by_source(self) -> list[int]:
        """The tokens of the rows given out since the last call, in the order of `source_names`."""
        tokens = list(self._tokens_by_source.values())
        self._tokens_by_source = dict.fromkeys(self.source_names, 0)
        return tokens

    def state_dict(self) -> dict[str, Any]:
        """A JSON value for each stream that this rank has touched or was given; `merge_states` makes one of all ranks'."""
        return {str(stream): asdict(place) for stream, place in sorted(self._all_places().items())}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from a state, whoever saved it: the rows behind those of the saving run are the same as without a stop."""
        self._open, self._next_row = {}, 0
        self._places = {int(stream): Place.of(place) for stream, place in state.items()}

    def _all_places(self) -> dict[int, Place]:
        return self._places | {stream: opened.place for stream, opened in self._open.items()}

    def _row(self, number: int) -> Row:
        row, stream = divmod(number, self.streams)
        if stream not in self._open:
            self._open[stream] = Stream(
                partial(self._read, stream), self._packer, f"stream {stream}, seed {self._seed}", self._places.get(stream)
            )
        return self._open[stream].row(row)

    def _fills(self, streams: int) -> bool:
        enough = ENOUGH_ROWS * self._packer.sequence_length * BYTES_OF_A_TOKEN if streams > 1 else 0
        return all(self._holds(stream, streams, enough) for stream in range(streams))

    def _holds(self, stream: int, streams: int, enough: int) -> bool:
        """Whether a stream has a document that is kept, and `enough` bytes of text."""
        found, read = False, 0
        for item in self._data.documents(stream, streams):
            if isinstance(item, Document) and len(item.content) and self._keep(item.content):
                found, read = found or bool(self._taken(item)[0]), read + size(item)
            if found and read >= enough:
                return True
        return False

    def _read(self, stream: int, cursor: Any, *, repeated: bool = False) -> Iterator[Read]:
        """A stream's documents as pieces, and what became of the others. repeated: every rank reads this stream."""
        for item in self._data.documents(stream, self.streams, cursor):
            pieces, tally, wrong = self._taken(item)
            if wrong:
                self.faults.name(wrong, repeated=repeated)
            yield Read(pieces, item.cursor, tally)

    def _taken(self, item: Document | Skipped) -> tuple[list[Piece], Tally, str | None]:
        """A document's pieces, what it counts as, and what is wrong with it."""
        if isinstance(item, Skipped):
            return [], Tally(skipped=1), item.reason
        if len(item.content) and not self._keep(item.content):
            return [], Tally(held_out=1), None
        try:
            tokens = self._tokens(item)
            pieces = self._packer.pieces(tokens) if len(tokens.ids_N) else []
        except DataError as error:
            return [], Tally(skipped=1), fault(item, error)
        tally = Tally(kept=1) if pieces else Tally(dropped=1)
        return [piece._replace(source=item.source) for piece in pieces], tally, None


def merge_states(states: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One state of those that the ranks saved at the same step: of each stream the place that is furthest on."""
    merged: dict[str, Any] = {}
    for state in states:
        for stream, place in state.items():
            if stream not in merged or place["row"] > merged[stream]["row"]:
                merged[stream] = dict(place)
    return merged
