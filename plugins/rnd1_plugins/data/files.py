"""What the sources that read files have in common."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from rnd1lib.errors import DataError

EDGE_BYTES = 64 * 2**10


@dataclass(frozen=True, kw_only=True)
class Files:
    """A source whose documents lie in local files."""

    path: str
    """A file, or a glob of files; `**` goes into folders."""

    def __post_init__(self) -> None:
        if not self.path:
            raise ValueError("path: '' names no file.")

    def fingerprint(self) -> dict[str, str]:
        """path -> size and sha256 of the first and last 64 KiB, by which a changed file is told without reading all of it.

        DataError: none is found, or one cannot be read.
        """
        return {str(path): _fingerprint(path) for path in matching_files(self.path)}


def matching_files(pattern: str) -> list[Path]:
    """The files that a glob finds from the working folder, in order of path; `**` goes into folders.

    DataError: none is found.
    """
    files = [path for path in map(Path, sorted(glob.glob(pattern, recursive=True))) if path.is_file()]  # noqa: PTH207
    if not files:
        meant = f" It is a folder: {Path(pattern) / '**'} matches all files below it." if Path(pattern).is_dir() else ""
        raise DataError(f"{pattern}: no file matches (searched from {Path.cwd()}).{meant}")
    return files


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
