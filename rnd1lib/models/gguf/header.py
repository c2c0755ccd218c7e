"""What stands before the tensors of a GGUF file: its values by name, and where each tensor lies.

The file comes from outside, so that every length in it is held against the length of the file before anything is read.
Source: the specification of GGUF, versions 2 and 3 (docs/gguf.md of ggml).
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rnd1lib.errors import ModelError

SUFFIX = ".gguf"
MAGIC, VERSIONS = b"GGUF", (2, 3)
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
BLOCKS = {
    0: (1, 4), 1: (1, 2), 30: (1, 2),  # F32, F16, BF16
    2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),  # Q4_0, Q4_1, Q5_0, Q5_1, Q8_0
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),  # Q2_K to Q6_K
    16: (256, 66), 17: (256, 74), 22: (256, 82), 18: (256, 98), 21: (256, 110),  # IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S
    19: (256, 50), 29: (256, 56), 20: (32, 18), 23: (256, 136),  # IQ1_S, IQ1_M, IQ4_NL, IQ4_XS
    34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36),  # TQ1_0, TQ2_0, MXFP4, NVFP4
}  # fmt: skip
"""Of each type of tensor that is read: values and bytes of a block. A row is whole blocks."""
MOST_DIMENSIONS = 4
SMALLEST_VALUE, SMALLEST_TENSOR = 13, 32  # bytes: an empty name, a type, one byte; an empty name, a dimension, type, offset


class Stored(NamedTuple):
    """One tensor: its shape in torch's order, its type, and its first byte in the file."""

    shape: tuple[int, ...]
    type: int
    start: int

    @property
    def row_bytes(self) -> int:
        """Of the last dimension."""
        values, size = BLOCKS[self.type]
        return self.shape[-1] // values * size

    @property
    def bytes(self) -> int:
        """Of all of it."""
        return math.prod(self.shape[:-1]) * self.row_bytes


@dataclass(frozen=True)
class Header:
    """values: what the file says, arrays as lists. tensors: by the names of llama.cpp, in the order of the file."""

    path: Path
    values: Mapping[str, Any]
    tensors: Mapping[str, Stored]

    def value(self, key: str, default: Any = None) -> Any:
        """A value of the network, whose name begins with its architecture: `context_length`."""
        return self.values.get(f"{self.architecture}.{key}", default)

    @property
    def architecture(self) -> str:
        """`llama`, `qwen3`, ...; what the file does not say is the empty string."""
        return str(self.values.get("general.architecture", ""))


def read_header(path: Path) -> Header:
    """Reads a file's header, and no tensor. Raises ModelError for anything but a whole GGUF file of a version that is read."""
    if path.stat().st_size < 24:
        raise ModelError(f"{path}: is no GGUF file, it has {path.stat().st_size} bytes.")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return _Reader(path, content).header()


class _Reader:
    """Goes through the bytes once."""

    def __init__(self, path: Path, content: mmap.mmap) -> None:
        self.path, self.content, self.at, self.order = path, content, 0, "<"

    def header(self) -> Header:
        if self.content[:4] != MAGIC:
            raise ModelError(f"{self.path}: is no GGUF file, it begins with {self.content[:4]!r} and not with {MAGIC!r}.")
        self.at = 4
        version = self.version()
        tensors, values = self.scalar("Q"), self.scalar("Q")
        self.check_count(tensors, SMALLEST_TENSOR, "tensors")
        self.check_count(values, SMALLEST_VALUE, "values")
        said = self.named(values, lambda: self.value(self.scalar("I")), "value")
        stored = self.named(tensors, self.tensor, "tensor")
        alignment = said.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
            raise ModelError(f"{self.path}: general.alignment: {alignment!r} is no power of two.")
        begin = -(-self.at // alignment) * alignment
        placed = {name: each._replace(start=begin + each.start) for name, each in stored.items()}
        self.check_placed(placed)
        return Header(self.path, {**said, "GGUF.version": version}, placed)

    def version(self) -> int:
        """Small numbers: one that is huge was written in the other order of bytes."""
        version = int(self.scalar("I"))
        if version & 0xFFFF == 0:
            raise ModelError(f"{self.path}: was written for a big-endian machine, and only little-endian files are read.")
        if version not in VERSIONS:
            raise ModelError(f"{self.path}: is GGUF version {version}; versions {' and '.join(map(str, VERSIONS))} are read.")
        return version

    def named(self, count: int, read: Callable[[], Any], what: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for _ in range(count):
            name = self.text()
            if name in found:
                raise ModelError(f"{self.path}: two {what}s are called {name!r}.")
            found[name] = read()
        return found

    def tensor(self) -> Stored:
        count = self.scalar("I")
        if not 1 <= count <= MOST_DIMENSIONS:
            raise ModelError(f"{self.path}: a tensor of {count} dimensions; 1 to {MOST_DIMENSIONS} are possible.")
        shape = tuple(reversed(self.scalars("Q", count)))
        return Stored(shape, self.scalar("I"), self.scalar("Q"))

    def value(self, kind: int) -> Any:
        if kind in SCALARS:
            return self.scalar(SCALARS[kind])
        if kind == STRING:
            return self.text()
        if kind != ARRAY:
            raise ModelError(f"{self.path}: holds a value of the unknown type {kind}.")
        element, count = self.scalar("I"), self.scalar("Q")
        if element in SCALARS:
            return list(self.scalars(SCALARS[element], count))
        if element != STRING:
            raise ModelError(f"{self.path}: holds an array of type {element}, which no Llama or Qwen model has.")
        self.check_count(count, 8, "texts of an array")
        return [self.text() for _ in range(count)]

    def text(self) -> str:
        length = self.scalar("Q")
        begin = self.advance(length)
        try:
            return self.content[begin : begin + length].decode()
        except UnicodeDecodeError as error:
            raise ModelError(f"{self.path}: a text at byte {begin} is not UTF-8.") from error

    def scalar(self, letter: str) -> Any:
        return self.scalars(letter, 1)[0]

    def scalars(self, letter: str, count: int) -> tuple[Any, ...]:
        begin = self.advance(count * struct.calcsize(f"<{letter}"))
        return struct.unpack_from(f"<{count}{letter}", self.content, begin)

    def advance(self, length: int) -> int:
        """Where `length` bytes begin that are there to be read."""
        begin, self.at = self.at, self.at + length
        if self.at > len(self.content):
            raise ModelError(f"{self.path}: ends within its header, at byte {len(self.content)}: it is cut off or damaged.")
        return begin

    def check_count(self, count: int, smallest: int, what: str) -> None:
        if count * smallest > len(self.content):
            raise ModelError(f"{self.path}: speaks of {count} {what}, more than its {len(self.content)} bytes can hold.")

    def check_placed(self, tensors: Mapping[str, Stored]) -> None:
        for name, each in tensors.items():
            if each.type not in BLOCKS:
                raise ModelError(f"{self.path}: {name}: has the type {each.type}, which cannot be read.")
            if 0 in each.shape or each.shape[-1] % BLOCKS[each.type][0]:
                raise ModelError(f"{self.path}: {name}: shape {list(each.shape)} is not made of whole blocks of its type.")
            if each.start + each.bytes > len(self.content):
                raise ModelError(
                    f"{self.path}: is cut off: {name} ends at byte {each.start + each.bytes}, the file at {len(self.content)}."
                )
