"""`tokens`: what `rnd1 tokenize` wrote."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnd1lib.data.shards import open_shards
from rnd1lib.errors import DataError
from rnd1lib.kinds import Document


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Documents that `rnd1 tokenize RECIPE FOLDER` has encoded, read from memory-mapped files: `{use: tokens, path: FOLDER}`.

    Nothing is encoded while a model trains, and every process of a machine shares what is read. The folder holds its
    tokenizer too, which must be the model's: `model: {tokenizer: FOLDER}` where the model has none.
    """

    path: str
    """The folder."""

    def __post_init__(self) -> None:
        if not self.path:
            raise ValueError("path: '' names no folder.")

    def documents(self, stream: int, streams: int, cursor: Any = None) -> Iterator[Document]:
        """Document i belongs to stream i mod `streams`; a cursor is the number of the document read last, and of which folder.

        DataError: there is no such folder, a file of it is damaged, or it is not the one that the cursor was made for.
        """
        shards = open_shards(Path(self.path))
        digest = shards.digest[:16]
        if cursor is not None and cursor["shards"] != digest:
            raise DataError(f"{self.path}: holds other tokens than when the run was saved.")
        for number, tokens in shards.documents(stream if cursor is None else cursor["document"] + streams, streams):
            place = {"shards": digest, "document": number}
            yield Document(tokens.ids_N, place, maskable=tokens.maskable_N, pad_to=tokens.pad_to)

    @property
    def vocabulary_sha256(self) -> str:
        """The hash of the vocabulary that the ids are of. DataError: there is no such folder."""
        return open_shards(Path(self.path)).header.vocabulary
