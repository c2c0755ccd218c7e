"""The files that a component's `path` means."""

from __future__ import annotations

import glob
from hashlib import sha256
from pathlib import Path

from rnd1lib.errors import DataError

EDGE_BYTES = 64 * 2**10


def matching_files(pattern: str) -> list[Path]:
    """The files that a glob finds from the working folder, in order of path; `**` goes into folders.

    DataError: none is found.
    """
    files = [path for path in map(Path, sorted(glob.glob(pattern, recursive=True))) if path.is_file()]  # noqa: PTH207
    if not files:
        raise DataError(f"{pattern}: no file matches (searched from {Path.cwd()}).")
    return files


def fingerprints(pattern: str) -> dict[str, str]:
    """path -> size and sha256 of the first and last 64 KiB, by which a changed file is told without reading all of it.

    DataError: none is found, or one cannot be read.
    """
    return {str(path): _fingerprint(path) for path in matching_files(pattern)}


def _fingerprint(path: Path) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            ends = []
            for start in (0, max(0, size - EDGE_BYTES)):
                file.seek(start)
                ends.append(file.read(EDGE_BYTES))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    return f"{size} bytes, sha256 {sha256(b''.join(ends)).hexdigest()[:16]}"
