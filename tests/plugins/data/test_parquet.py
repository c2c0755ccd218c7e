import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rnd1_plugins.data.parquet import Parquet

from rnd1lib.errors import DataError
from rnd1lib.kinds import Document, Skipped


def write(path, values, *, rows=2, name="text", kind=None):
    pq.write_table(pa.table({"number": range(len(values)), name: pa.array(values, kind)}), path, row_group_size=rows)
    return Parquet(path=str(path.parent / "*.parquet"))


def texts(items):
    return [item.content for item in items if isinstance(item, Document)]


def test_a_row_is_a_document_and_files_come_in_order_of_path(tmp_path):
    write(tmp_path / "b.parquet", ["four"])
    data = write(tmp_path / "a.parquet", ["one", "two", "three"])
    assert texts(data.documents(0, 1)) == ["one", "two", "three", "four"]
    assert texts(Parquet(path=data.path, key="text").documents(0, 1)) == texts(data.documents(0, 1))


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view()], ids=str)
def test_every_kind_of_text_column_is_read(tmp_path, kind):
    assert texts(write(tmp_path / "a.parquet", ["one", "zwei ä"], kind=kind).documents(0, 1)) == ["one", "zwei ä"]


def test_a_stream_reads_its_own_row_groups(tmp_path):
    write(tmp_path / "b.parquet", ["f", "g"])
    data = write(tmp_path / "a.parquet", list("abcde"))
    assert [texts(data.documents(stream, 2)) for stream in range(2)] == [list("abe"), list("cdfg")]


def test_a_row_without_a_text_is_named_with_its_place(tmp_path):
    data = write(tmp_path / "a.parquet", ["one", None, "a\0b", "four"])
    _, null, nul, _ = items = list(data.documents(0, 1))
    assert null.reason == f"{tmp_path}/a.parquet: row 1 of row group 0: 'text' holds no text, but NoneType."
    assert "row 0 of row group 1: 'text' holds what is no character" in nul.reason
    assert texts(items) == ["one", "four"]


def test_a_text_that_is_not_utf8_is_named_and_the_others_are_read(tmp_path):
    raw = pa.array([b"one", b"tw\xff", b"three"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": raw}), tmp_path / "a.parquet")
    one, broken, three = Parquet(path=f"{tmp_path}/a.parquet").documents(0, 1)
    assert (one.content, three.content) == ("one", "three")
    assert isinstance(broken, Skipped) and "byte 3 of 'text' is not UTF-8" in broken.reason


@pytest.mark.parametrize(
    ("values", "options", "what"),
    [
        (["a"], {"name": "body"}, "there is no column 'text'. Columns: 'number', 'body'."),
        ([1, 2], {}, "column 'text' holds no text, but int64."),
        ([b"a"], {}, "column 'text' holds no text, but binary."),
    ],
)
def test_a_file_without_a_text_column_is_an_error(tmp_path, values, options, what):
    with pytest.raises(DataError) as error:
        list(write(tmp_path / "a.parquet", values, **options).documents(0, 1))
    assert str(error.value) == f"{tmp_path}/a.parquet: {what}"


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"no parquet at all" * 10])
def test_a_file_that_is_no_parquet_is_named(tmp_path, damage):
    (tmp_path / "a.parquet").write_bytes(damage)
    with pytest.raises(DataError, match=r"a\.parquet cannot be read: "):
        list(Parquet(path=f"{tmp_path}/*.parquet").documents(0, 1))


def test_a_damaged_row_group_is_named(tmp_path):
    data = write(tmp_path / "a.parquet", [f"{number} " * 50 for number in range(40)], rows=20)
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    content[4:400] = bytes(396)
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.parquet: row group 0 cannot be read: "):
        list(data.documents(0, 1))


def test_a_file_that_is_gone_or_shorter_at_a_resume_is_named(tmp_path):
    data = write(tmp_path / "a.parquet", list("abcde"))
    write(tmp_path / "b.parquet", ["f"])
    cursor = list(data.documents(0, 1))[4].cursor
    write(tmp_path / "a.parquet", ["a"])
    with pytest.raises(DataError, match=r"a\.parquet is shorter than it was"):
        list(data.documents(0, 1, cursor))
    (tmp_path / "a.parquet").unlink()
    with pytest.raises(DataError, match=r"a\.parquet is gone"):
        list(data.documents(0, 1, cursor))


def test_an_empty_path_is_refused():
    with pytest.raises(ValueError, match="path: '' names no file"):
        Parquet(path="")
