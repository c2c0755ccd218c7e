"""`parquet`: Apache Parquet files, read a row group at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rnd1_plugins.data.files import Files, matching_files
from rnd1_plugins.data.lines import checked_text
from rnd1lib.errors import DataError
from rnd1lib.kinds import Document, Skipped

ROWS_AT_A_TIME = 256


@dataclass(frozen=True, kw_only=True)
class Parquet(Files):
    """Parquet files, a row a document: `{use: parquet, path: data/*.parquet, key: text}`.

    Only the column `key` is read. A row group belongs to one stream and is read by it alone, so there are at most as many
    streams as row groups; files are best written with groups of some thousand rows. A row without a text counts as broken.
    """

    key: str = "text"
    """The column that holds the text."""

    def documents(self, stream: int, streams: int, cursor: Any = None) -> Iterator[Document | Skipped]:
        """Row group g, counted over all files, belongs to stream g mod `streams`; a cursor is file, group in it and row.

        Skipped: a row that holds no text. DataError: no file matches, one cannot be read, or the cursor's is gone or shorter.
        """
        files = [str(path) for path in matching_files(self.path)]
        at = cursor or {"file": files[0], "group": 0, "row": -1, "before": 0}
        if at["file"] not in files:
            raise DataError(f"{at['file']} is gone: it was read when the run was saved, and {self.path} finds it no more.")
        before = at["before"]
        for file in files[files.index(at["file"]) :]:
            groups = _groups(file, self.key)
            first, behind = (at["group"], at["row"]) if file == at["file"] else (0, -1)
            if behind >= 0 and first >= groups:
                raise DataError(f"{file} is shorter than it was when the run was saved.")
            for group in range(first, groups):
                if (before + group) % streams == stream:
                    place = {"file": file, "group": group, "before": before}
                    for row, value in _values(file, group, self.key, behind if group == first else -1):
                        yield _document(value, self.key, f"{file}: row {row} of row group {group}", {**place, "row": row})
            before += groups


def _groups(file: str, key: str) -> int:
    """How many row groups a file has. DataError: it is no Parquet file with a text column of that name."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as opened:
            schema, groups = opened.schema_arrow, int(opened.num_row_groups)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file} cannot be read: {str(error).splitlines()[0]}") from error
    if key not in schema.names:
        raise DataError(f"{file}: there is no column {key!r}. Columns: {', '.join(map(repr, schema.names[:8])) or 'none'}.")
    kind = schema.field(key).type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise DataError(f"{file}: column {key!r} holds no text, but {kind}.")
    return groups


def _values(file: str, group: int, key: str, behind: int) -> Iterator[tuple[int, Any]]:
    """Number and value of the rows of a group behind row `behind`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as opened:
            row = 0
            for batch in opened.iter_batches(ROWS_AT_A_TIME, row_groups=[group], columns=[key]):
                for value in batch.column(0):
                    if row > behind:
                        yield row, value
                    row += 1
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file}: row group {group} cannot be read: {str(error).splitlines()[0]}") from error


def _document(value: Any, key: str, where: str, cursor: dict[str, Any]) -> Document | Skipped:
    try:
        return Document(checked_text(value.as_py(), repr(key), where), cursor)
    except UnicodeDecodeError as error:
        return Skipped(f"{where}: byte {error.start + 1} of {key!r} is not UTF-8.", cursor)
    except DataError as error:
        return Skipped(str(error), cursor)
