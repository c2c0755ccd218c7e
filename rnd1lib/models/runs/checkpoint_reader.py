"""Reads the weights of a torch distributed checkpoint without running code that a stranger may have put in it."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint import filesystem, metadata
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.planner import ReadItem

ALLOWED = {
    ("pathlib", "PosixPath"),
    ("torch", "Size"),
    ("torch.serialization", "_get_layout"),
    (filesystem.__name__, "_StorageInfo"),
    *((metadata.__name__, name) for name in ("Metadata", "MetadataIndex", "StorageMeta", "TensorProperties")),
    *((metadata.__name__, f"{kind}StorageMetadata") for kind in ("Bytes", "Chunk", "Tensor")),
    (metadata.__name__, "_MEM_FORMAT_ENCODING"),
}


class WeightsReader(FileSystemReader):
    """torch's reader, whose `.metadata` is a pickle: only the classes that torch itself writes there may be named.

    Tensors are read by torch with `weights_only`; so are other entries, by `PlainPlanner`.
    """

    def read_metadata(self, *_: Any, **__: Any) -> metadata.Metadata:
        """The checkpoint's table of contents. Raises pickle.UnpicklingError if it names anything else."""
        with (Path(self.path) / ".metadata").open("rb") as file:
            found: metadata.Metadata = _Unpickler(file).load()
        found.storage_meta = found.storage_meta or metadata.StorageMeta()
        found.storage_meta.load_id = self.load_id
        return found


class PlainPlanner(DefaultLoadPlanner):
    """torch's planner, which unpickles the entries that are no tensors: only plain data may be in them."""

    def load_bytes(self, read_item: ReadItem, value: io.BytesIO) -> None:
        """One entry. Raises pickle.UnpicklingError if it holds anything but numbers, texts, lists, mappings and tensors."""
        torch.load(value, weights_only=True)
        value.seek(0)
        super().load_bytes(read_item, value)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Also dtypes, which pickle names as if they were classes, and `getattr`, as far as Python until 3.11.3 needs it."""
        if (module, name) == ("builtins", "getattr"):
            return _member
        if (module, name) in ALLOWED or (module == "torch" and isinstance(getattr(torch, name, None), torch.dtype)):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a checkpoint")


def _member(kind: Any, name: str) -> Any:
    """An enum's member, which Python until 3.11.3 pickles as `getattr(enum, name)`; nothing else is looked up."""
    if kind is not metadata._MEM_FORMAT_ENCODING:
        raise pickle.UnpicklingError(f"builtins.getattr of {kind!r:.60} has no place in a checkpoint")
    return kind[name]
