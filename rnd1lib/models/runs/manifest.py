"""A checkpoint's manifest: the files that belong to it, to the bit. It is written last; without it there is no checkpoint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rnd1lib.disk import write
from rnd1lib.errors import CheckpointError

MANIFEST = "manifest.json"
HASHED_BYTES = 10 * 10**9
"""Checkpoints up to this size are read whole before they are believed; of larger ones the sizes of their files are compared."""
READ_BYTES = 64 << 20


class FileFacts(NamedTuple):
    """What a file must be: its size in bytes and its SHA-256."""

    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """number: how many saves of the run there had been, this one included. recipe: SHA-256 of the run's resolved recipe."""

    step: int
    number: int
    world_size: int
    recipe: str
    files: Mapping[str, FileFacts] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(file.size for file in self.files.values())

    def write(self, folder: Path) -> None:
        """Writes it to the disk, with its own checksum."""
        said = asdict(self) | {"files": {name: facts._asdict() for name, facts in sorted(self.files.items())}}
        write(folder / MANIFEST, json.dumps(said | {"sha256": _digest(said)}, indent=1).encode())


def facts_of(path: Path) -> FileFacts:
    """Size and checksum of a file as it can be read."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return FileFacts(file.tell(), sha256)


def read_manifest(folder: Path) -> Manifest:
    """What a checkpoint's folder says of itself. Raises CheckpointError if that is missing, damaged or of another step."""
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            said = json.loads(file.read(READ_BYTES))
        if said.pop("sha256") != _digest(said):
            raise ValueError("its checksum is wrong")
        files = {name: FileFacts(**facts) for name, facts in said.pop("files").items()}
        manifest = Manifest(**said, files=files)
        if not all(type(number) is int for number in (manifest.step, manifest.number, *(file.size for file in files.values()))):
            raise ValueError("a number in it is none")
    except FileNotFoundError:
        raise CheckpointError(f"{folder}: has no {MANIFEST}, so it is no whole checkpoint.") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path}: is damaged ({type(error).__name__}: {error}).") from error
    if folder.name.partition(".")[0] != f"step-{manifest.step}":
        raise CheckpointError(f"{path}: is of step {manifest.step}, and lies in the folder {folder.name}.")
    return manifest


def verify(folder: Path, *, hashes: bool | None = None, mine: Callable[[int], bool] = lambda number: True) -> Manifest:
    """The manifest of a checkpoint whose files are what it says. Raises CheckpointError that names the file.

    hashes: whether to read the files; None: up to HASHED_BYTES. mine: which of them to read, by number, where others read
    the rest; sizes are compared of all.
    """
    manifest = read_manifest(folder)
    for name, facts in manifest.files.items():
        size = _size(folder, name)
        if size != facts.size:
            found = "is missing" if size is None else f"has {size} bytes"
            raise CheckpointError(f"{folder / name}: {found}, and was saved with {facts.size}.")
    if manifest.bytes <= HASHED_BYTES if hashes is None else hashes:
        for number, (name, facts) in enumerate(manifest.files.items()):
            if mine(number) and _hashed(folder / name) != facts:
                raise CheckpointError(f"{folder / name}: is damaged, its checksum is not that of what was saved.")
    return manifest


def _size(folder: Path, name: str) -> int | None:
    path = folder / name
    return path.stat().st_size if Path(name).name == name and path.is_file() else None


def _hashed(path: Path) -> FileFacts:
    try:
        return facts_of(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}).") from error


def _digest(said: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
