"""`python_docs`: the corpus that every Python brings along, so that a first run needs no download."""

from __future__ import annotations

import functools
import importlib
import logging
import sysconfig
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from rnd1lib.errors import DataError
from rnd1lib.kinds import Document

LIMIT = 8_000_000
LEFT_OUT = frozenset({"test", "tests", "idlelib", "lib2to3", "pydoc_data", "site-packages", "dist-packages"})

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PythonDocs:
    """Python's own documentation and library: pydoc's topics, a document each, then the modules of the standard library.

    The .py files come in order of path, without tests, idlelib, lib2to3 and pydoc_data; whole documents while they fit in
    8 MB of UTF-8. With Python 3.11 that is 531 documents, 2.3 million tokens of a BPE of 4096. Another Python has another
    text: `digest` says which one it is.
    """

    def documents(self, stream: int, streams: int, cursor: Any = None) -> Iterator[Document]:
        """Document i belongs to stream i mod `streams`; a cursor is the number of the document that was read last."""
        texts = corpus()
        for number in range(stream if cursor is None else cursor + streams, len(texts), streams):
            yield Document(texts[number], number)

    def fingerprint(self) -> dict[str, str]:
        """What is another with another Python."""
        return {"python_docs": self.digest}

    @property
    def digest(self) -> str:
        """sha256 of the corpus, in hexadecimal."""
        return digest(corpus())


@functools.cache
def corpus() -> tuple[str, ...]:
    """The documents in their order; read once in a process, and its digest logged. DataError: none are installed."""
    texts: list[str] = []
    size = 0
    for text in _texts():
        size += len(text.encode())
        if size > LIMIT:
            break
        texts.append(text)
    if not texts:
        raise DataError("python_docs: this Python brings neither pydoc's topics nor the sources of its library.")
    logger.info("python_docs: %d documents, sha256 %s", len(texts), digest(texts))
    return tuple(texts)


def digest(texts: list[str] | tuple[str, ...]) -> str:
    """sha256 over the sha256 of each text: where one document ends and the next begins counts too."""
    return sha256(b"".join(sha256(text.encode()).digest() for text in texts)).hexdigest()


def _texts() -> Iterator[str]:
    try:
        topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    except ModuleNotFoundError:  # some distributions package it apart
        topics = {}
    yield from (text for _, text in sorted(topics.items()))
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py"), key=lambda path: path.relative_to(root).as_posix()):
        if LEFT_OUT.isdisjoint(path.relative_to(root).parts):
            with tokenize.open(path) as file:  # a module may declare another encoding
                yield file.read()
