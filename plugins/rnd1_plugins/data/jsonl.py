"""`jsonl`: a JSON object a line, read as bytes so that a place in a file is an offset."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rnd1_plugins.data.files import matching_files
from rnd1lib.errors import DataError
from rnd1lib.kinds import Document

LONGEST_BYTES = 64 * 2**20
"""Of a line: a file without line ends must not fill the memory."""
BOM = b"\xef\xbb\xbf"
SURROGATE = re.compile("[\ud800-\udfff]")


class Line(NamedTuple):
    """One line of a file: its number from 1, its bytes, and the offset of the byte behind it."""

    number: int
    content: bytes
    end: int


@dataclass(frozen=True, kw_only=True)
class Jsonl:
    """Files with a JSON object a line, a document each: `{use: jsonl, path: data/*.jsonl, key: text}`.

    Blank lines, CRLF and a byte order mark are fine. A line that is no UTF-8 JSON object with a text under `key` ends the
    run with its file and number.
    """

    path: str
    """A file, or a glob of files; `**` goes into folders."""

    key: str = "text"
    """Where in a line's object the text stands."""

    def __post_init__(self) -> None:
        if not self.path:
            raise ValueError("path: '' names no file.")

    def documents(self, stream: int, streams: int, cursor: Any = None) -> Iterator[Document]:
        """Line n of file f belongs to stream (f + n) mod `streams`; a cursor is file, line and the byte behind the line.

        DataError: no file matches, the cursor's file is gone or shorter than it was, or a line is broken.
        """
        files = [str(path) for path in matching_files(self.path)]
        at = cursor or {"file": files[0], "line": 0, "offset": 0}
        if at["file"] not in files:
            raise DataError(f"{at['file']} is gone: it was read when the run was saved, and {self.path} finds it no more.")
        for number in range(files.index(at["file"]), len(files)):
            file = files[number]
            behind, offset = (at["line"], at["offset"]) if file == at["file"] else (0, 0)
            for line in _lines(Path(file), behind, offset):
                if (number + line.number) % streams == stream and line.content.strip():
                    text = _text(line.content, self.key, f"{file}:{line.number}")
                    yield Document(text, {"file": file, "line": line.number, "offset": line.end})


def _lines(path: Path, behind: int, offset: int) -> Iterator[Line]:
    """The lines behind line `behind`, which ends at `offset`."""
    try:
        with path.open("rb") as file:
            if file.seek(0, 2) < offset:
                raise DataError(f"{path} is shorter than it was when the run was saved.")
            file.seek(offset)
            number = behind
            while content := file.readline(LONGEST_BYTES + 1):
                number += 1
                offset += len(content)
                if len(content) > LONGEST_BYTES:
                    raise DataError(f"{path}:{number}: the line is longer than {LONGEST_BYTES // 2**20} MB.")
                yield Line(number, content.removeprefix(BOM) if number == 1 else content, offset)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error


def _text(content: bytes, key: str, where: str) -> str:
    try:
        value = json.loads(content.decode())
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: byte {error.start + 1} of the line is not UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: the line is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise DataError(f"{where}: the line holds no JSON object, but {type(value).__name__}.")
    if key not in value:
        raise DataError(f"{where}: there is no key {key!r}. Keys: {', '.join(map(repr, list(value)[:8])) or 'none'}.")
    text = value[key]
    if not isinstance(text, str):
        raise DataError(f"{where}: {key!r} holds no text, but {type(text).__name__}.")
    if "\0" in text or (not text.isascii() and SURROGATE.search(text)):
        raise DataError(f"{where}: {key!r} holds what is no character: NUL or half of a surrogate pair.")
    return text
