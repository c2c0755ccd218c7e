"""Documents of token ids on disk: written once by `rnd1 tokenize`, memory-mapped by every run that reads them.

A folder holds `header.json`, which is written last, and safetensors files: `ids` (uint16 or uint32), `ends` (where each
document ends), `pad_to` (`Document.pad_to`: a number, ROW or TEXT) and, where some ids are prompt, `maskable`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from rnd1lib.data.encoding import Tokens
from rnd1lib.errors import DataError

HEADER, FORMAT = "header.json", 1
LONGEST_HEADER = 16 * 2**20
ROW, TEXT = 0, -1
"""What `pad_to` is as a number."""


class Shard(NamedTuple):
    """One file of a folder, and what it holds."""

    file: str
    documents: int
    tokens: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a folder says of itself. vocabulary: the hash of the tokenizer's vocabulary; vocab_size: ids lie below it."""

    vocabulary: str
    vocab_size: int
    documents: int
    tokens: int
    shards: tuple[Shard, ...]
    format: int = FORMAT


class Shards:
    """A folder that can be read. header: what it says; digest: of the header, and so of every shard."""

    def __init__(self, folder: Path, header: Header, digest: str) -> None:
        self.folder, self.header, self.digest = folder, header, digest
        self._opened = cache(self._open)

    def documents(self, first: int, step: int) -> Iterator[tuple[int, Tokens]]:
        """Every step-th document from number `first` on, with its number; ids keep the dtype of the file."""
        before = 0
        for shard in self.header.shards:
            skipped = max(0, before - first)
            inside = range(first + -(-skipped // step) * step - before, shard.documents, step)
            for place in inside:
                yield before + place, self._opened(shard).document(place)
            before += shard.documents

    def _open(self, shard: Shard) -> _Opened:
        path = self.folder / shard.file
        try:
            with path.open("rb") as file:
                if file_digest(file, "sha256").hexdigest() != shard.sha256:
                    raise DataError(f"{path}: is damaged, its checksum is not that of what was written. Tokenize it again.")
            with safe_open(path, "pt") as file:
                tensors = dict(zip(names := list(file.keys()), map(file.get_tensor, names), strict=True))
        except (SafetensorError, OSError) as error:
            raise DataError(f"{path}: is no whole shard ({error}).") from error
        return _Opened.checked(path, shard, tensors)


class _Opened(NamedTuple):
    """A shard's tensors, in the file until they are read."""

    ids_N: Tensor
    ends_D: Tensor
    pad_to_D: Tensor
    maskable_N: Tensor | None

    @classmethod
    def checked(cls, path: Path, shard: Shard, tensors: dict[str, Tensor]) -> _Opened:
        ids_N, ends_D, pad_to_D = (tensors.get(name, torch.empty(0)) for name in ("ids", "ends", "pad_to"))
        opened = cls(ids_N, ends_D, pad_to_D, tensors.get("maskable"))
        lengths_D = opened.ends_D.diff(prepend=opened.ends_D.new_zeros(1))
        maskable_N = opened.ids_N if opened.maskable_N is None else opened.maskable_N
        lengths = tuple(map(len, (opened.ids_N, maskable_N, opened.ends_D, opened.pad_to_D)))
        whole = (
            lengths == (shard.tokens, shard.tokens, shard.documents, shard.documents)
            and shard.documents > 0
            and opened.ids_N.dtype in (torch.uint16, torch.uint32)
            and bool((lengths_D >= 0).all() and (opened.pad_to_D >= TEXT).all())
            and int(opened.ends_D[-1]) == shard.tokens
        )
        if not whole:
            raise DataError(f"{path}: is not the shard that {HEADER} describes.")
        return opened

    def document(self, place: int) -> Tokens:
        start, end = int(self.ends_D[place - 1]) if place else 0, int(self.ends_D[place])
        maskable_N = torch.ones(end - start, dtype=torch.bool) if self.maskable_N is None else self.maskable_N[start:end]
        pad_to = int(self.pad_to_D[place])
        named: int | Literal["row"] | None = None if pad_to == TEXT else "row" if pad_to == ROW else pad_to
        return Tokens(self.ids_N[start:end], maskable_N, named)


def open_shards(folder: Path) -> Shards:
    """The shards of a folder; opened once in a process. DataError: there are none, or none that are whole."""
    path = folder / HEADER
    try:
        if path.stat().st_size > LONGEST_HEADER:
            raise DataError(f"{path}: is larger than 16 MB, so it is no header.")
        return _open_shards(folder, path.read_bytes())
    except OSError as error:
        raise DataError(f"{folder}: holds no {HEADER}, so `rnd1 tokenize` has written nothing there.") from error


@lru_cache(maxsize=16)
def _open_shards(folder: Path, written: bytes) -> Shards:
    try:
        described: dict[str, Any] = json.loads(written)
        shards = tuple(Shard(**shard) for shard in described.pop("shards"))
        header = Header(shards=shards, **described)
        sound = header.format == FORMAT and all(Path(shard.file).name == shard.file for shard in shards)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(f"{folder / HEADER}: is no header of shards ({error}).") from error
    if not sound:
        raise DataError(
            f"{folder / HEADER}: its format is not {FORMAT}, the only one that is read here, or names no file beside it."
        )
    return Shards(folder, header, sha256(written).hexdigest())
