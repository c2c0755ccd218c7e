"""`hub`: data sets of the Hugging Face hub, streamed."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from rnd1_plugins.data.lines import checked_text
from rnd1lib.errors import DataError
from rnd1lib.kinds import Document, Skipped


@dataclass(frozen=True, kw_only=True)
class Hub:
    """A data set of the Hugging Face hub, read as it comes in: `{use: hub, path: HuggingFaceFW/fineweb-edu}`.

    Needs no more disk than a shard takes on its way. A data set's files are shards, and a stream reads its own; where there
    are fewer shards than streams, several streams read a shard and each takes its share of the rows. A folder in the hub's
    layout (a card, and Parquet or JSON Lines files) works as well. Code of a data set is never run. A row without a text
    counts as broken.
    """

    path: str
    """Name on the hub, or a folder."""

    name: str | None = None
    """The configuration, where the data set has several."""

    split: str = "train"
    """Which part of it."""

    key: str = "text"
    """The column that holds the text."""

    revision: str | None = None
    """A commit or tag on the hub; null: the newest. A run that may be resumed later should name one."""

    endless: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.path:
            raise ValueError("path: '' names no data set.")

    def documents(self, stream: int, streams: int, cursor: Any = None) -> Iterator[Document | Skipped]:
        """Shard s belongs to stream s mod `streams`. Of fewer shards, n, shard s has the streams s, s + n, s + 2n and so on,
        which take its rows in turn. A cursor is shard and row; a resume reads the shard up to there again.

        The rows are iterated and nothing else: after `map`, `filter`, `shuffle` or `batch` the library loses rows. Skipped: a
        row that holds no text. DataError: the data set is not found or cannot be read.
        """
        whole = _opened(self)
        shards = whole.num_shards
        at = cursor or {"shard": stream % shards, "row": -1}
        turns = len(range(stream % shards, streams, shards))
        for shard in range(at["shard"], shards, streams):
            behind = at["row"] if shard == at["shard"] else -1
            for row, record in enumerate(self._read(whole.shard(shards, shard, contiguous=False))):
                if row > behind and row % turns == stream // shards:
                    yield self._document(record, {"shard": shard, "row": row})

    def _read(self, rows: Any) -> Iterator[dict[str, Any]]:
        try:
            yield from rows
        except Exception as error:
            raise DataError(f"hub: {self.path} cannot be read: {_first_line(error)}") from error

    def _document(self, record: dict[str, Any], cursor: dict[str, Any]) -> Document | Skipped:
        where = f"hub: {self.path}: row {cursor['row']} of shard {cursor['shard']}"
        if self.key not in record:
            keys = ", ".join(map(repr, list(record)[:8]))
            return Skipped(f"{where}: there is no key {self.key!r}. Keys: {keys or 'none'}.", cursor)
        try:
            return Document(checked_text(record[self.key], repr(self.key), where), cursor)
        except DataError as error:
            return Skipped(str(error), cursor)


@functools.lru_cache(maxsize=8)
def _opened(hub: Hub) -> Any:
    """The data set, asked for once in a process: its streams are parts of it."""
    from datasets import load_dataset

    try:
        return load_dataset(hub.path, hub.name, split=hub.split, revision=hub.revision, streaming=True)
    except Exception as error:  # the library and those below it raise what they like
        raise DataError(f"hub: {hub.path} cannot be opened: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
