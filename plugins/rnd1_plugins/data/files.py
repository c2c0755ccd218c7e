"""The files that a component's `path` means."""

from __future__ import annotations

import glob
from pathlib import Path

from rnd1lib.errors import DataError


def matching_files(pattern: str) -> list[Path]:
    """The files that a glob finds from the working folder, in order of path; `**` goes into folders.

    DataError: none is found.
    """
    files = [path for path in map(Path, sorted(glob.glob(pattern, recursive=True))) if path.is_file()]  # noqa: PTH207
    if not files:
        raise DataError(f"{pattern}: no file matches (searched from {Path.cwd()}).")
    return files
