"""Documents of token ids to a folder of shards, which is there whole or not at all; see `rnd1lib.data.shards`."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from types import TracebackType

import torch
from safetensors.torch import save

from rnd1lib.data.encoding import Tokens
from rnd1lib.data.shards import HEADER, ROW, TEXT, Header, Shard
from rnd1lib.disk import write
from rnd1lib.errors import DataError

SHARD_TOKENS = 2**26
"""A shard is written from memory, and ends with the document that fills it."""


class ShardWriter:
    """Writes a folder of shards, whole or not at all: it appears when the `with` block ends, and not after an exception.

    path: where the folder lies until then; other files may be put there. DataError: something is at `folder` already.
    """

    def __init__(self, folder: Path, *, vocabulary: str, vocab_size: int, shard_tokens: int = SHARD_TOKENS) -> None:
        refuse_existing(folder)
        self.folder, self.path = folder, folder.with_name(f"{folder.name}.partial-{os.getpid()}")
        self._vocabulary, self._vocab_size, self._shard_tokens = vocabulary, vocab_size, shard_tokens
        self._shards: list[Shard] = []
        self._begin()

    def __enter__(self) -> ShardWriter:
        try:
            self.path.mkdir(parents=True)
        except OSError as error:
            raise DataError(f"{self.path}: cannot be made: {error.strerror}.") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            shutil.rmtree(self.path, ignore_errors=True)

    def add(self, tokens: Tokens) -> None:
        """One document more."""
        self._documents.append(tokens._replace(ids_N=tokens.ids_N.to(self._dtype)))
        self._tokens += len(tokens.ids_N)
        if self._tokens >= self._shard_tokens:
            self._write()

    @property
    def _dtype(self) -> torch.dtype:
        return torch.uint16 if self._vocab_size <= 2**16 else torch.uint32

    def _begin(self) -> None:
        self._documents: list[Tokens] = []
        self._tokens = 0

    def _write(self) -> None:
        documents, path = self._documents, self.path / f"{len(self._shards):05}.safetensors"
        pad_to = [TEXT if each.pad_to is None else ROW if each.pad_to == "row" else each.pad_to for each in documents]
        tensors = {
            "ids": torch.cat([each.ids_N for each in documents]),
            "ends": torch.tensor([len(each.ids_N) for each in documents]).cumsum(0),
            "pad_to": torch.tensor(pad_to, dtype=torch.int32),
        }
        if not all(bool(each.maskable_N.all()) for each in documents):
            tensors["maskable"] = torch.cat([each.maskable_N for each in documents])
        content = save(tensors)
        _write(path, content)
        self._shards.append(Shard(path.name, len(documents), self._tokens, sha256(content).hexdigest()))
        self._begin()

    def _finish(self) -> None:
        if self._documents:
            self._write()
        if not self._shards:
            raise DataError("There is no document to write.")
        header = Header(
            vocabulary=self._vocabulary,
            vocab_size=self._vocab_size,
            documents=sum(shard.documents for shard in self._shards),
            tokens=sum(shard.tokens for shard in self._shards),
            shards=tuple(self._shards),
        )
        described = asdict(header) | {"shards": [shard._asdict() for shard in header.shards]}
        _write(self.path / HEADER, f"{json.dumps(described, indent=2)}\n".encode())
        self.path.rename(self.folder)


def refuse_existing(folder: Path) -> None:
    """Raises DataError if something is there: tokens are never written over."""
    if folder.exists():
        raise DataError(f"{folder}: is there already. Choose another folder, or remove it.")


def _write(path: Path, content: bytes) -> None:
    """To the disk, not only to the system's memory. DataError: it is full."""
    try:
        write(path, content)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}.") from error
