"""`text`: plain files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnd1_plugins.data.files import matching_files
from rnd1lib.errors import DataError
from rnd1lib.kinds import Document

LARGEST_BYTES = 256 * 2**20
"""A document is held in memory whole, with its ids."""


@dataclass(frozen=True, kw_only=True)
class Text:
    """Plain UTF-8 files, a document each, in order of path: `{use: text, path: books/**/*.txt}`."""

    path: str
    """A file, or a glob of files; `**` goes into folders."""

    def __post_init__(self) -> None:
        if not self.path:
            raise ValueError("path: '' names no file.")

    def documents(self, stream: int, streams: int, cursor: Any = None) -> Iterator[Document]:
        """File i belongs to stream i mod `streams`; a cursor is the number of the file that was read last.

        DataError: no file matches, or one is not UTF-8 or larger than 256 MB.
        """
        files = matching_files(self.path)
        for number in range(stream if cursor is None else cursor + streams, len(files), streams):
            yield Document(_read(files[number]), number)


def _read(path: Path) -> str:
    if path.stat().st_size > LARGEST_BYTES:
        raise DataError(f"{path} is larger than {LARGEST_BYTES // 2**20} MB; a document must fit in memory, so split it.")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: byte {error.start} is 0x{error.object[error.start]:02x}.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
