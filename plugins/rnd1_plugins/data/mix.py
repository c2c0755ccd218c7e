"""`mix`: several sources as one, each with its share."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rnd1lib.data.reading import size
from rnd1lib.errors import DataError
from rnd1lib.kinds import Component, Data, Document, Skipped


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Several sources as one: `{use: mix, sources: {web: {use: ..., weight: 0.6}, math: {use: ..., weight: 0.4}}}`.

    Weights are shares of the text, in bytes of UTF-8 (a token id counts as four), not of the documents: next comes the source
    that would lie furthest behind its weight if half of its next document were read. So each source is read in proportion
    everywhere in a run, up to one document, and nothing is drawn. A source that ends starts again, until each has been read
    once: that is one pass. Metrics tell the tokens of each (`sources`). Sources may be mixtures themselves.
    """

    sources: dict[str, Component["data"]]  # type: ignore[type-arg, name-defined]  # noqa: F821 - a kind, no forward reference
    """The sources by a name of your choice, each with its options and `weight`."""

    weights: dict[str, float] = field(default_factory=dict)
    """Filled from each source's `weight`: any positive numbers, of which the share in their sum counts. None: equal parts."""

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("sources: there is none. Name at least one.")
        without = [name for name in self.sources if name not in self.weights]
        if self.weights and without:
            raise ValueError(f"weights: give every source its weight, or none of them. Without: {', '.join(without)}.")
        for name, weight in self.weights.items():
            if name not in self.sources:
                raise ValueError(f"weights: {name}: there is no such source. Sources: {', '.join(self.sources)}.")
            if not 0 < weight < math.inf:
                raise ValueError(f"weights: {name}: {weight} is not a positive number.")

    @property
    def endless(self) -> bool:
        """Whether one of the sources is."""
        return any(getattr(source, "endless", False) for source in self.sources.values())

    @property
    def source_names(self) -> tuple[str, ...]:
        """Every name that a document's `source` may have; `outer/inner` for a mixture in a mixture."""
        return tuple(
            _joined(name, inner) for name, source in self.sources.items() for inner in getattr(source, "source_names", (None,))
        )

    def fingerprint(self) -> dict[str, str]:
        """What changes when a file of one of the sources does."""
        found: dict[str, str] = {}
        for name, source in self.sources.items():
            found |= {f"{name}: {key}": text for key, text in getattr(source, "fingerprint", dict)().items()}
        return found

    def documents(self, stream: int, streams: int, cursor: Any = None) -> Iterator[Document | Skipped]:
        """A stream mixes that stream of each source; one that some source has no document in is empty.

        A cursor holds for each source its cursor, how often it came to its end, and the bytes read of it; the source that was
        read last stands first. DataError: a source has no documents at all.
        """
        readers = {name: _Reader(self.sources[name], stream, streams, (cursor or {}).get(name)) for name in self.sources}
        while True:
            for name, reader in readers.items():
                broken = ""
                for skipped in reader.look():
                    broken = broken or f" The first that is broken: {skipped.reason}"
                    yield Skipped(f"{name}: {skipped.reason}", _cursor(readers, name))
                if reader.next is None:
                    if streams == 1:
                        raise DataError(f"mix: the source {name!r} has no document that can be read.{broken}")
                    return
            if all(reader.passes for reader in readers.values()):
                return
            name = min(readers, key=lambda name: readers[name].behind() / self.weights.get(name, 1.0))
            document = readers[name].take()
            yield document._replace(cursor=_cursor(readers, name), source=_joined(name, document.source))


class _Reader:
    """One source of a stream: where it stands, and the next document, which is looked at before it is taken."""

    def __init__(self, source: Data, stream: int, streams: int, place: dict[str, Any] | None) -> None:
        self.source, self.stream, self.streams = source, stream, streams
        self.place: dict[str, Any] = dict(place or {"cursor": None, "passes": 0, "bytes": 0})
        self.passes: int = self.place["passes"]
        self.next: Document | None = None
        self._items = self._open(self.place["cursor"])

    def _open(self, cursor: Any) -> Iterator[Document | Skipped]:
        return self.source.documents(self.stream, self.streams, cursor)

    def look(self) -> Iterator[Skipped]:
        """Makes `next` the next document, None if there is none in a whole pass; what is broken before it comes out."""
        opened = self.place["cursor"] is None
        while self.next is None:
            item = next(self._items, None)
            if isinstance(item, Document):
                self.next = item
            elif item is not None:
                self.place |= {"cursor": item.cursor, "passes": self.passes}
                yield item
            elif opened:
                return
            else:
                self.passes += 1
                self._items, opened = self._open(None), True

    def behind(self) -> float:
        """The bytes read once half of the next document is."""
        assert self.next is not None
        return float(self.place["bytes"]) + size(self.next) / 2

    def take(self) -> Document:
        """The next document."""
        assert self.next is not None
        document, self.next = self.next, None
        self.place = {"cursor": document.cursor, "passes": self.passes, "bytes": self.place["bytes"] + size(document)}
        return document


def _cursor(readers: dict[str, _Reader], last: str) -> dict[str, Any]:
    return {name: dict(readers[name].place) for name in [last, *(name for name in readers if name != last)]}


def _joined(outer: str, inner: str | None) -> str:
    return outer if inner is None else f"{outer}/{inner}"
