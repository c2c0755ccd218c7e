"""Files that are on the disk, and not only in the system's memory, when a call returns."""

from __future__ import annotations

import os
from pathlib import Path

UNFINISHED = ".tmp-"
"""In the name of what is being written; a process that is killed leaves it behind."""


def write(path: Path, content: bytes) -> None:
    """Writes a file."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all: a reader finds what was there before, or this."""
    temporary = path.with_name(f"{path.name}{UNFINISHED}{os.getpid()}")
    try:
        write(temporary, text.encode())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def flush(path: Path) -> None:
    """Brings the bytes of a file that is closed already, or a folder's names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
