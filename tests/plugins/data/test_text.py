import pytest
from rnd1_plugins.data.text import Text

from rnd1lib.errors import DataError
from rnd1lib.kinds import Skipped


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "deep").mkdir()
    for name, content in {"b.txt": b"two", "a.txt": b"\xef\xbb\xbfone\r\n", "deep/c.txt": "drei ü".encode()}.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_a_file_is_a_document_and_files_come_in_order_of_path(folder):
    assert [document.content for document in Text(path=f"{folder}/**/*.txt").documents(0, 1)] == ["one\n", "two", "drei ü"]
    assert [document.content for document in Text(path=f"{folder}/b.txt").documents(0, 1)] == ["two"]


def test_streams_share_the_files_out_and_go_on_behind_a_cursor(folder):
    data = Text(path=f"{folder}/**/*.txt")
    whole = list(data.documents(0, 2))
    assert [document.content for document in whole] == ["one\n", "drei ü"]
    assert [document.content for document in data.documents(1, 2)] == ["two"]
    assert list(data.documents(0, 2, whole[0].cursor)) == whole[1:]
    assert list(data.documents(0, 2, whole[1].cursor)) == []
    assert list(data.documents(5, 64)) == []


def test_the_working_folder_is_where_a_relative_path_starts(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert next(Text(path="deep/*.txt").documents(0, 1)).content == "drei ü"


def test_no_file_is_an_error_that_names_the_glob_and_a_folder_is_no_file(folder):
    for path in (f"{folder}/*.md", f"{folder}/deep"):
        with pytest.raises(DataError, match="no file matches"):
            next(Text(path=path).documents(0, 1))


def test_a_file_that_is_not_utf8_is_named_with_its_byte(folder):
    (folder / "b.txt").write_bytes(b"ab\xffcd")
    one, broken = Text(path=f"{folder}/*.txt").documents(0, 1)
    assert one.content == "one\n"
    assert broken == Skipped(f"{folder}/b.txt is not UTF-8: byte 2 is 0xff.", 1)


def test_a_file_that_would_fill_the_memory_is_named(folder):
    with (folder / "b.txt").open("wb") as file:
        file.truncate(2**30)
    _, broken = Text(path=f"{folder}/*.txt").documents(0, 1)
    assert "b.txt is larger than 256 MB" in broken.reason


def test_an_empty_path_is_refused():
    with pytest.raises(ValueError, match="path: '' names no file"):
        Text(path="")
