"""`jsonl`: a JSON object a line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rnd1_plugins.data.files import Files
from rnd1_plugins.data.lines import checked_text, json_value, lines
from rnd1lib.errors import DataError
from rnd1lib.kinds import Document, Skipped


@dataclass(frozen=True, kw_only=True)
class Jsonl(Files):
    """Files with a JSON object a line, a document each: `{use: jsonl, path: data/*.jsonl, key: text}`.

    Blank lines, CRLF and a byte order mark are fine. A line that is no UTF-8 JSON object with a text under `key`, or longer
    than 64 MB, counts as broken.
    """

    key: str = "text"
    """Where in a line's object the text stands."""

    def documents(self, stream: int, streams: int, cursor: Any = None) -> Iterator[Document | Skipped]:
        """Line n of file f belongs to stream (f + n) mod `streams`; a cursor is file, line and the byte behind the line.

        Skipped: a broken line. DataError: no file matches, or the cursor's file is gone or shorter than it was.
        """
        for line in lines(self.path, stream, streams, cursor):
            try:
                text = checked_text(json_value(line, self.key), repr(self.key), line.where)
            except DataError as error:
                yield Skipped(str(error), line.cursor)
            else:
                yield Document(text, line.cursor)
