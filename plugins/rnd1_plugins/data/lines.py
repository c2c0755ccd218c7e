"""Files with a JSON object a line, read as bytes so that a place in a file is an offset."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from rnd1_plugins.data.files import matching_files
from rnd1lib.errors import DataError

LONGEST_BYTES = 64 * 2**20
"""Of a line: a file without line ends must not fill the memory."""
BOM = b"\xef\xbb\xbf"
SURROGATE = re.compile("[\ud800-\udfff]")


class Line(NamedTuple):
    """One line: its bytes (None: too many to be kept), `file:number`, and the cursors in front of it and behind it."""

    content: bytes | None
    where: str
    before: dict[str, Any]
    cursor: dict[str, Any]


def lines(pattern: str, stream: int, streams: int, cursor: Any = None) -> Iterator[Line]:
    """The lines of one stream that are not blank; line n of file f belongs to stream (f + n) mod `streams`.

    cursor: file, line and the byte behind the line that was read last. DataError: no file matches, or the cursor's file is
    gone or shorter than it was.
    """
    files = [str(path) for path in matching_files(pattern)]
    at = cursor or {"file": files[0], "line": 0, "offset": 0}
    if at["file"] not in files:
        raise DataError(f"{at['file']} is gone: it was read when the run was saved, and {pattern} finds it no more.")
    for number in range(files.index(at["file"]), len(files)):
        file = files[number]
        behind, offset = (at["line"], at["offset"]) if file == at["file"] else (0, 0)
        for line, start, end, content in _read(Path(file), behind, offset):
            if (number + line) % streams == stream and (content is None or content.strip()):
                before = {"file": file, "line": line - 1, "offset": start}
                yield Line(content, f"{file}:{line}", before, {"file": file, "line": line, "offset": end})


def json_value(line: Line, key: str) -> Any:
    """What stands under `key` in the line's object. DataError: the line is no UTF-8 JSON object with that key."""
    if line.content is None:
        raise DataError(f"{line.where}: the line is longer than {LONGEST_BYTES // 2**20} MB.")
    try:
        value = json.loads(line.content.decode())
    except UnicodeDecodeError as error:
        raise DataError(f"{line.where}: byte {error.start + 1} of the line is not UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{line.where}: the line is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise DataError(f"{line.where}: the line holds no JSON object, but {type(value).__name__}.")
    if key not in value:
        raise DataError(f"{line.where}: there is no key {key!r}. Keys: {', '.join(map(repr, list(value)[:8])) or 'none'}.")
    return value[key]


def checked_text(value: Any, name: str, where: str) -> str:
    """A text that any tokenizer takes. DataError: it is none; `name` says where in the line it stood."""
    if not isinstance(value, str):
        raise DataError(f"{where}: {name} holds no text, but {type(value).__name__}.")
    if "\0" in value or (not value.isascii() and SURROGATE.search(value)):
        raise DataError(f"{where}: {name} holds what is no character: NUL or half of a surrogate pair.")
    return value


def _read(path: Path, behind: int, offset: int) -> Iterator[tuple[int, int, int, bytes | None]]:
    """Number, start, end and bytes (None: too many) of the lines behind line `behind`, which ends at `offset`."""
    try:
        with path.open("rb") as file:
            if file.seek(0, 2) < offset:
                raise DataError(f"{path} is shorter than it was when the run was saved.")
            file.seek(offset)
            number = behind
            while content := file.readline(LONGEST_BYTES + 1):
                number += 1
                start, offset = offset, offset + len(content)
                if len(content) > LONGEST_BYTES:
                    offset += _rest_of_line(file, content)
                    yield number, start, offset, None
                else:
                    yield number, start, offset, content.removeprefix(BOM) if number == 1 else content
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error


def _rest_of_line(file: IO[bytes], content: bytes) -> int:
    """Reads on to the line's end, keeping nothing; how many bytes that were."""
    size = 0
    while content and not content.endswith(b"\n"):
        content = file.readline(LONGEST_BYTES)
        size += len(content)
    return size
