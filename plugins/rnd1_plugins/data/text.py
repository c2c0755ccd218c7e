"""`text`: plain files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnd1_plugins.data.files import Files, matching_files
from rnd1lib.errors import DataError
from rnd1lib.kinds import Document, Skipped

LARGEST_BYTES = 256 * 2**20
"""A document is held in memory whole, with its ids."""


@dataclass(frozen=True, kw_only=True)
class Text(Files):
    """Plain UTF-8 files, a document each, in order of path: `{use: text, path: books/**/*.txt}`.

    A file that is not UTF-8, or larger than 256 MB, counts as broken.
    """

    def documents(self, stream: int, streams: int, cursor: Any = None) -> Iterator[Document | Skipped]:
        """File i belongs to stream i mod `streams`; a cursor is the number of the file that was read last.

        DataError: no file matches, or one cannot be read.
        """
        files = matching_files(self.path)
        for number in range(stream if cursor is None else cursor + streams, len(files), streams):
            yield _document(files[number], number)


def _document(path: Path, cursor: int) -> Document | Skipped:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            what = f"is larger than {LARGEST_BYTES // 2**20} MB; a document must fit in memory, so split it."
            return Skipped(f"{path} {what}", cursor)
        return Document(path.read_text(encoding="utf-8-sig"), cursor)
    except UnicodeDecodeError as error:
        return Skipped(f"{path} is not UTF-8: byte {error.start} is 0x{error.object[error.start]:02x}.", cursor)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
