"""The tensors of a GGUF file, one dequantised at a time: the file lends its pages, nothing else of it is in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rnd1lib.errors import ModelError
from rnd1lib.models.gguf.config import config_of
from rnd1lib.models.gguf.header import Header, read_header
from rnd1lib.models.gguf.names import Part, parts
from rnd1lib.models.origins.origin import Box, NamedTensors


@dataclass(frozen=True)
class GGUFFile(NamedTensors):
    """An origin of weights. parts: where each Hugging Face tensor lies in the file, whose header is `header`."""

    header: Header
    parts: Mapping[str, Part]

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Of every tensor, as Hugging Face has it."""
        return {name: part.shape for name, part in self.parts.items()}

    @property
    def types(self) -> list[str]:
        """Those that its tensors have, in llama.cpp's words: Q4_1, F32; the most common first."""
        from gguf import GGMLQuantizationType

        found = Counter(part.stored.type for part in self.parts.values())
        return [GGMLQuantizationType(kind).name for kind, _ in found.most_common()]

    def tensor(self, name: str, box: Box = ()) -> Tensor:
        """A tensor or a part of it, dequantised as llama.cpp's own package does it: float32, whatever type the file has."""
        part = self.parts[name]
        rows = self._rows(part)
        if rows.ndim > 1 and not part.heads:  # rows are dequantised one by one, so those outside the box need not be
            rows, box = rows[box[:1]], (slice(None), *box[1:])
        whole = _dequantised(rows, part)
        return (_halves(whole, part.heads) if part.heads else whole)[box]

    def _rows(self, part: Part) -> np.ndarray:
        """Bytes [..., bytes of a row], of a tensor or of one expert."""
        stored = part.stored
        begin = stored.start
        rows = self._bytes[begin : begin + stored.bytes].reshape(*stored.shape[:-1], stored.row_bytes)
        return rows if part.expert is None else rows[part.expert]

    @cached_property
    def _bytes(self) -> np.ndarray:
        return np.memmap(self.path, np.uint8, mode="r")


def open_gguf(path: Path) -> GGUFFile:
    """Opens a file. Raises ModelError for one that is damaged, cut off or of an unsupported architecture."""
    _check_installed(path)
    header = read_header(path)
    config = config_of(header)
    return GGUFFile(path, config, header, parts(header, config["num_attention_heads"], config["num_key_value_heads"]))


def _check_installed(path: Path) -> None:
    try:
        import gguf  # noqa: F401
    except ImportError as error:
        raise ModelError(f"{path}: GGUF files are read with the package gguf: pip install 'rnd1lib[gguf]'.") from error


def _dequantised(rows: np.ndarray, part: Part) -> Tensor:
    from gguf import GGMLQuantizationType, dequantize

    return torch.from_numpy(np.require(dequantize(rows, GGMLQuantizationType(part.stored.type)), requirements="W"))


def _halves(rows: Tensor, heads: int) -> Tensor:
    """Rows of each head in transformers' order, first of each pair and then second of each, out of pair after pair."""
    return rows.view(heads, -1, 2, *rows.shape[1:]).transpose(1, 2).reshape(rows.shape)
