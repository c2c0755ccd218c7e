"""A Hugging Face folder as plain data: config.json and safetensors. Pickles are refused and no code of a folder is run."""

from __future__ import annotations

import difflib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from rnd1lib.errors import ModelError
from rnd1lib.models.spelling import standard

CONFIG, FACTS = "config.json", "rnd1_config.json"
WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
HUB_PATTERNS = ["*.json", "*.safetensors", "merges.txt"]
RUNS = "runs"  # where recipes put their runs: no owner on the hub is meant
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")
LONGEST_JSON = 64 << 20
IGNORED = re.compile(r"\.rotary_emb\.inv_freq$")  # a buffer that old folders hold; it follows from config.json


@dataclass(frozen=True)
class Folder:
    """A model folder: `config` is its config.json in transformers' words, `files` says which file holds each tensor."""

    path: Path
    config: Mapping[str, Any]
    files: Mapping[str, Path]

    def tensor(self, name: str) -> Tensor:
        """One whole tensor, on the CPU, in the dtype of the file."""
        return next(self.tensors([name]))

    def tensors(self, names: Iterable[str]) -> Iterator[Tensor]:
        """Whole tensors, one after the other; the file lends its pages to them, so that they take no memory of their own."""
        for path, group in groupby(names, key=self.files.__getitem__):
            with safe_open(path, "pt") as file:
                yield from map(file.get_tensor, group)

    def check(self, expected: Mapping[str, tuple[int, ...]]) -> None:
        """Raises ModelError with a line for each tensor that is missing, unexpected or of another shape."""
        tied = bool(self.config.get("tie_word_embeddings", False))
        unexpected = [name for name in self.files if name not in expected and not IGNORED.search(name)]
        problems = [f"{name}: missing." for name in expected if name not in self.files]
        problems += [f"{name}: unexpected." for name in unexpected if not (tied and name == "lm_head.weight")]
        found = self._shapes([name for name in expected if name in self.files])
        problems += [
            f"{name}: has shape {list(shape)}, config.json asks for {list(expected[name])}."
            for name, shape in found.items()
            if shape != expected[name]
        ]
        if problems:
            raise ModelError("\n".join(f"{self.path}: {problem}" for problem in problems))

    def _shapes(self, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """Of these tensors, in their order; each file is opened once."""
        found: dict[str, tuple[int, ...]] = {}
        for path in {self.files[name] for name in names}:
            with safe_open(path, "pt") as file:
                found |= {name: tuple(file.get_slice(name).get_shape()) for name in names if self.files[name] == path}
        return {name: found[name] for name in names}


def open_folder(path_or_name: str | Path) -> Folder:
    """Opens a folder, or downloads one of the Hugging Face Hub by its name `organisation/model`. Raises ModelError."""
    path = locate(path_or_name)
    return Folder(path, read_config(path), _files(path))


def locate(path_or_name: str | Path) -> Path:
    """The folder itself, or the downloaded snapshot of a hub name: safetensors and JSON alone, never code."""
    path = Path(path_or_name).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise ModelError(f"{path}: is a file; name the folder of the model.")
    if not HUB_NAME.fullmatch(str(path_or_name)) or path.parent.is_dir() or path.parent.name == RUNS:
        raise ModelError(f"{path}: no such folder.{_near(path)} A model is a folder, or owner/name on the Hugging Face Hub.")
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
    beside = [each.name for each in path.parent.iterdir() if each.is_dir()] if path.parent.is_dir() else []
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


def _files(path: Path) -> dict[str, Path]:
    whole = [path / WHOLE] if (path / WHOLE).is_file() else sorted(path.glob("*.safetensors"))
    shards = _indexed(path) if (path / INDEX).is_file() else whole
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
    return files


def _indexed(path: Path) -> list[Path]:
    """The files that an index names; a name that leads out of the folder is refused."""
    weight_map = read_json(path / INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
        raise ModelError(f"{path / INDEX}: weight_map maps no tensors to files.")
    names = sorted(set(weight_map.values()))
    problems = [f"{path / INDEX}: {name!r} is no file of this folder." for name in names if Path(name).name != name]
    problems += [f"{path}: {name} is missing, the index names it." for name in names if not (path / name).is_file()]
    if problems:
        raise ModelError("\n".join(problems))
    return [path / name for name in names]


def _names(shard: Path) -> list[str]:
    try:
        with safe_open(shard, "pt") as file:
            return list(file.keys())
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{shard}: not a whole safetensors file ({error}).") from error
