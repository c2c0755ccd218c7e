"""A Hugging Face folder as plain data: config.json and safetensors. Pickles are refused and no code of a folder is run."""

from __future__ import annotations

import difflib
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from rnd1lib.errors import ModelError
from rnd1lib.models.config.spelling import standard
from rnd1lib.models.gguf.files import ARCHIVES, gguf_in, is_gguf
from rnd1lib.models.gguf.header import SUFFIX
from rnd1lib.models.origins.fused import FUSED, Cut, cuts
from rnd1lib.models.origins.listing import folded
from rnd1lib.models.origins.origin import Box, NamedTensors

CONFIG, FACTS, GENERATION = "config.json", "rnd1_config.json", "generation_config.json"
WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
HUB_PATTERNS = ["*.json", "*.safetensors", "merges.txt"]
RUNS = "runs"  # where recipes put their runs: no owner on the hub is meant
DTYPES = ("F64", "F32", "F16", "BF16")
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")
LONGEST_JSON = 64 << 20
IGNORED = re.compile(r"\.rotary_emb\.inv_freq$")  # a buffer that old folders hold; it follows from config.json


@dataclass(frozen=True)
class Folder(NamedTensors):
    """A model folder: `config` is its config.json in transformers' words."""

    @cached_property
    def files(self) -> Mapping[str, Path]:
        """Which file holds each tensor. Raises ModelError for files that are not there or not whole."""
        return _files(self.path)

    def tensor(self, name: str, box: Box = ()) -> Tensor:
        """Lent by the file, so that it takes no memory of its own and only the pages that are touched are read."""
        cut = self._cuts.get(name)
        part: Tensor = self._stored(name)[box] if cut is None else self._stored(cut.stored)[cut.within(box)]
        return part

    @property
    def dtype(self) -> torch.dtype:
        """bfloat16 if all weights are, else float32."""
        narrow = all(self._stored(name).get_dtype() == "BF16" for name in self.shapes)
        return torch.bfloat16 if narrow else torch.float32

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Of every tensor, fused experts apart; save buffers that are of no use."""
        fused = {cut.stored for cut in self._cuts.values()}
        stored = {name: self._shape(name) for name in self.files if name not in fused and not IGNORED.search(name)}
        return stored | {name: (cut.rows, *self._shape(cut.stored)[2:]) for name, cut in self._cuts.items()}

    def problems(self, expected: Mapping[str, tuple[int, ...]]) -> list[str]:
        """A sentence for each, that a dtype is none of weights included."""
        kinds = {name: self._stored(name).get_dtype() for name in self.files}
        others = [
            f"{name}: is {kind}, and weights are {', '.join(DTYPES)}. Use the unquantized folder."
            for name, kind in kinds.items()
            if kind not in DTYPES and not IGNORED.search(name)
        ]
        return super().problems(expected) + folded(others, "of such kinds")

    @cached_property
    def _cuts(self) -> Mapping[str, Cut]:
        """Where each expert lies that is stored with the others."""
        found = dict(cut for name in self.files if FUSED.fullmatch(name) for cut in cuts(name, self._shape(name)))
        return {} if found.keys() & self.files.keys() else found

    def _shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._stored(name).get_shape())

    def _stored(self, name: str) -> Any:
        return self._opened(self.files[name]).get_slice(name)

    @cached_property
    def _opened(self) -> Callable[[Path], Any]:
        return cache(partial(safe_open, framework="pt"))


def open_folder(path_or_name: str | Path) -> Folder:
    """Opens a folder, or downloads one of the Hugging Face Hub by its name `organisation/model`. Raises ModelError.

    Its tensors are looked at when they are asked for, so that mistakes in config.json are told first.
    """
    path = locate(path_or_name)
    return Folder(path, read_config(path))


def locate(path_or_name: str | Path) -> Path:
    """The folder or GGUF file itself, or the downloaded snapshot of a hub name: safetensors and JSON alone, never code."""
    path = Path(path_or_name).expanduser()
    if path.is_dir():
        return path if (path / CONFIG).is_file() else gguf_in(path) or path
    if is_gguf(path):
        return path
    if path.exists():
        unpack = f" `rnd1 import {path} OUT` unpacks the GGUF file in it." if path.suffix in ARCHIVES else ""
        raise ModelError(f"{path}: is a file; name the folder of the model, or a GGUF file.{unpack}")
    local = path.parent.is_dir() or path.parent.name == RUNS or path.suffix in (SUFFIX, *ARCHIVES)
    if not HUB_NAME.fullmatch(str(path_or_name)) or local:
        what = "file" if path.suffix in (SUFFIX, *ARCHIVES) else "folder"
        raise ModelError(
            f"{path}: no such {what}.{_near(path)} A model is a folder, a GGUF file, or owner/name on the Hugging Face Hub."
        )
    print(f"{path}: no folder here; asked of the Hugging Face Hub.", file=sys.stderr)
    from huggingface_hub import snapshot_download  # slow to import, and a local folder needs none of it

    try:
        return Path(snapshot_download(str(path_or_name), allow_patterns=HUB_PATTERNS))
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(
            f"{path_or_name}: there is no such folder here, and it could not be fetched from the Hugging Face Hub "
            f"({type(error).__name__}: {reason})"
        ) from error


def _near(path: Path) -> str:
    entries = path.parent.iterdir() if path.parent.is_dir() else ()
    beside = [each.name for each in entries if each.is_dir() or each.suffix in (SUFFIX, *ARCHIVES)]
    near = difflib.get_close_matches(path.name, beside, n=1)
    return f" Did you mean {path.parent / near[0]}?" if near else ""


def read_config(folder: Path) -> dict[str, Any]:
    """A folder's config.json in transformers' words, whoever wrote it. Raises ModelError."""
    return standard(read_json(folder / CONFIG))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file that others wrote. Raises ModelError."""
    if not path.is_file():
        raise ModelError(f"{path.parent}: holds no {path.name}.")
    if path.stat().st_size > LONGEST_JSON:
        raise ModelError(f"{path}: larger than {LONGEST_JSON >> 20} MiB; this is no {path.name}.")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not valid JSON ({error}).") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path}: holds a {type(value).__name__}, not an object.")
    return value


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """A JSON object as a file of a folder that is being made. OSError: the disk is full."""
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _files(path: Path) -> dict[str, Path]:
    whole = [path / WHOLE] if (path / WHOLE).is_file() else sorted(path.glob("*.safetensors"))
    said = _indexed(path) if (path / INDEX).is_file() else {}
    shards = sorted(set(said.values())) or whole
    if not shards:
        pickles = sorted(file.name for pattern in PICKLES for file in path.glob(pattern))
        if pickles:
            raise ModelError(
                f"{path}: only pickles ({', '.join(pickles)}), which can run code when opened. "
                "Save the model as safetensors: save_pretrained does."
            )
        raise ModelError(f"{path}: holds no safetensors file.")
    files: dict[str, Path] = {}
    for shard in shards:
        for name in _names(shard):
            if name in files:
                raise ModelError(f"{path}: {name} is in {files[name].name} and in {shard.name}.")
            files[name] = shard
    lies = [
        f"{name}: not in {file.name}, where the index says it is." for name, file in said.items() if files.get(name) != file
    ]
    if lies:
        raise ModelError("\n".join(f"{path / INDEX}: {lie}" for lie in folded(lies, "not where it says")))
    return files


def _indexed(path: Path) -> dict[str, Path]:
    """In which file an index says each tensor is; a name that leads out of the folder is refused."""
    weight_map = read_json(path / INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
        raise ModelError(f"{path / INDEX}: weight_map maps no tensors to files.")
    names = sorted(set(weight_map.values()))
    problems = [f"{path / INDEX}: {name!r} is no file of this folder." for name in names if Path(name).name != name]
    problems += [f"{path}: {name} is missing, the index names it." for name in names if not (path / name).is_file()]
    if problems:
        raise ModelError("\n".join(problems))
    files = {name: path / name for name in names}
    return {tensor: files[name] for tensor, name in weight_map.items()}


def _names(shard: Path) -> list[str]:
    shard.open("rb").close()  # says itself why it cannot be read; safetensors says of any such file that it is not there
    try:
        with safe_open(shard, "pt") as file:
            return list(file.keys())
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{shard}: not a whole safetensors file ({error}).") from error
