"""A folder that is there whole or not at all: written under another name, which it loses when everything is right."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rnd1lib.disk import flush
from rnd1lib.errors import ModelError

UNFINISHED = ".unfinished-"
"""In the name of a folder that is being written. It is locked; one that is not was left behind by a process that died."""


def refuse_existing(path: Path) -> None:
    """Raises ModelError for a path that something is at, save an empty folder."""
    if path.is_symlink() or (path.exists() and not (path.is_dir() and not any(path.iterdir()))):
        raise ModelError(f"{path}: exists already; name a folder that does not.")


@contextmanager
def new_folder(path: Path, *, needs: int = 0) -> Iterator[Path]:
    """Gives a folder beside `path` to write into; it becomes `path` at the end, or goes if anything is wrong.

    needs: bytes that will be written. What a killed process has left of the same folder is removed first, and told of.
    Raises ModelError where something is already, another process is writing it, or the disk is full or not writable.
    """
    refuse_existing(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(path, UNFINISHED) as folder:
            _check_room(path, needs)
            yield folder
            _publish(folder, path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be written ({error.strerror or error}). Nothing is left of it.") from error


@contextmanager
def temporary_folder(beside: Path, kind: str) -> Iterator[Path]:
    """A locked folder `.NAME` + kind + something, beside `beside`, which goes with the context; dead processes' go first."""
    _remove_leftovers(beside, kind)
    folder = Path(tempfile.mkdtemp(prefix=f".{beside.name}{kind}", dir=beside.parent))
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _remove_leftovers(path: Path, kind: str) -> None:
    for found in path.parent.glob(f".{path.name}{kind}*"):
        lock = os.open(found, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ModelError(f"{path}: another process is writing it just now, as {found.name}.") from None
        finally:
            os.close(lock)
        shutil.rmtree(found)
        print(f"{found}: left behind by a process that did not finish; removed.", file=sys.stderr)


def _check_room(path: Path, needs: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if needs > free:
        raise ModelError(f"{path}: needs {needs / 1e6:,.1f} MB, and {free / 1e6:,.1f} MB are free on that disk.")


def _publish(folder: Path, path: Path) -> None:
    for file in folder.iterdir():
        flush(file)
    flush(folder)
    folder.chmod(0o755)
    refuse_existing(path)
    folder.rename(path)
    flush(path.parent)
