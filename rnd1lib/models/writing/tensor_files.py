"""Safetensors files as they are written: one, or numbered shards with an index; no more than a tensor is in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from rnd1lib.errors import ModelError
from rnd1lib.models.origins.folder import INDEX, WHOLE, write_json

DTYPES = {torch.float32: "F32", torch.bfloat16: "BF16"}
SHARD_SIZE = "5GB"
"""The most bytes of tensors in a file, as in folders on the Hub, where nobody says otherwise."""
UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
LONGEST_HEADER = 100_000_000
"""In bytes; safetensors reads no longer one."""

Shapes = Mapping[str, Sequence[int]]


def shard_bytes(size: str | int) -> int:
    """`"5GB"` in bytes, as transformers reads it: GB is 10^9, GiB 2^30; a number is bytes. ValueError: it is neither."""
    if isinstance(size, int) and size > 0:
        return size
    match = re.fullmatch(r"(\d+)\s*([KMG]i?B)", str(size), re.IGNORECASE)
    if not match or not int(match[1]):
        raise ValueError(f"shard_size: {size!r} is no size of a file. Write it as 5GB, 500MB or 2GiB.")
    return int(match[1]) * UNITS[match[2].upper()]


def shards(shapes: Shapes, dtype: torch.dtype, most: int) -> dict[str, list[str]]:
    """The tensors of each file, in the Hub's names for files; `most` bytes in each, unless a single tensor has more."""
    lists: list[list[str]] = []
    room = 0
    for name, shape in shapes.items():
        size = prod(shape) * dtype.itemsize
        if not lists or size > room:
            lists.append([])
            room = most
        lists[-1].append(name)
        room -= size
    if len(lists) == 1:
        return {WHOLE: lists[0]}
    return {f"model-{n:05d}-of-{len(lists):05d}.safetensors": names for n, names in enumerate(lists, start=1)}


def write_tensors(
    folder: Path, shapes: Shapes, tensors: Iterable[tuple[str, Tensor]], *, dtype: torch.dtype, most: int
) -> None:
    """Writes tensors, which come in the order of `shapes`, in that dtype, to files of at most `most` bytes of them.

    Raises ModelError for numbers that are not finite, OSError for a disk that is full.
    """
    files, coming = shards(shapes, dtype, most), iter(tensors)
    for file, names in files.items():
        _write_file(folder / file, {name: shapes[name] for name in names}, coming, dtype)
    if len(files) > 1:
        total = sum(map(prod, shapes.values())) * dtype.itemsize
        index = {
            "metadata": {"total_size": total},
            "weight_map": {name: file for file, names in files.items() for name in names},
        }
        write_json(folder / INDEX, index)


def _write_file(path: Path, shapes: Shapes, tensors: Iterator[tuple[str, Tensor]], dtype: torch.dtype) -> None:
    with path.open("wb") as file:
        file.write(_header(shapes, dtype))
        for name, shape in shapes.items():
            found, tensor = next(tensors)
            assert (found, list(tensor.shape)) == (name, list(shape)), (found, tensor.shape, name, shape)
            written = tensor.to(dtype).contiguous()
            if not all(edge.isfinite() for edge in written.aminmax()):  # which NaN and infinity reach, without a copy
                raise ModelError(f"{name}: holds numbers that are not finite, so that nothing is written.")
            written.flatten().view(torch.uint8).numpy().tofile(file)


def _header(shapes: Shapes, dtype: torch.dtype) -> bytes:
    """Its length in 8 bytes, then what lies where as JSON, padded so that the numbers begin at a multiple of 8."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name, shape in shapes.items():
        end = start + prod(shape) * dtype.itemsize
        header[name] = {"dtype": DTYPES[dtype], "shape": list(shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    assert len(text) <= LONGEST_HEADER
    return len(text).to_bytes(8, "little") + text
