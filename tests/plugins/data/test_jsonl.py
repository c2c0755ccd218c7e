import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rnd1_plugins.data.jsonl import Jsonl
from rnd1_plugins.data.lines import BOM

from rnd1lib.errors import DataError
from rnd1lib.kinds import Skipped


def texts(data, stream=0, streams=1, cursor=None):
    return [document.content for document in data.documents(stream, streams, cursor)]


def lines(*values):
    return b"".join(json.dumps({"text": value}).encode() + b"\n" for value in values)


def of(folder, content, **options):
    (folder / "a.jsonl").write_bytes(content)
    return Jsonl(path=str(folder / "*.jsonl"), **options)


def test_a_line_is_a_document_and_files_come_in_order_of_path(tmp_path):
    (tmp_path / "b.jsonl").write_bytes(lines("three"))
    assert texts(of(tmp_path, lines("one", "two"))) == ["one", "two", "three"]


def test_the_text_may_stand_under_another_key(tmp_path):
    assert texts(of(tmp_path, b'{"body": "here", "text": 1}', key="body")) == ["here"]


@pytest.mark.parametrize(
    "content",
    [
        b'{"text": "one"}\n\n  \t\n{"text": "two"}\n\n',
        b'{"text": "one"}\r\n\r\n{"text": "two"}\r\n',
        b'\xef\xbb\xbf{"text": "one"}\n{"text": "two"}',
    ],
    ids=["blank", "crlf", "bom"],
)
def test_blank_lines_crlf_a_byte_order_mark_and_a_missing_last_line_end_are_fine(tmp_path, content):
    assert texts(of(tmp_path, content)) == ["one", "two"]


def test_a_line_end_is_a_newline_and_nothing_else(tmp_path):
    content = '{"text": "a\u2028b\u0085c"}\n'.encode()
    assert texts(of(tmp_path, content)) == ["a\u2028b\u0085c"]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b'{"text": "cut', "not JSON"),
        (b'{"text": "two"} {"text": "three"}', "not JSON"),
        (b'{"text": "\xff"}', "byte 11 of the line is not UTF-8"),
        ('{"text": "two"}'.encode("utf-16"), "not UTF-8"),
        (b'\xef\xbb\xbf{"text": "not at the start of the file"}', "not JSON"),
        (b'{"txt": "two"}', "no key 'text'. Keys: 'txt'"),
        (b"{}", "no key 'text'. Keys: none"),
        (b'{"text": null}', "'text' holds no text, but NoneType"),
        (b'{"text": ["two"]}', "'text' holds no text, but list"),
        (b'["text"]', "no JSON object, but list"),
        (b"7", "no JSON object, but int"),
        (b"9" * 5000, "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b'{"text": "a\x00b"}', "not JSON"),
        (b'{"text": "a\\u0000b"}', "no character"),
        (b'{"text": "a\\ud800b"}', "no character"),
    ],
)
def test_a_broken_line_is_named_with_its_file_and_number(tmp_path, line, what):
    data = of(tmp_path, lines("one") + b"\n" + line + b"\n" + lines("four"))
    one, broken, four = data.documents(0, 1)
    assert (one.content, four.content) == ("one", "four")
    assert broken.reason.startswith(f"{tmp_path / 'a.jsonl'}:3: ")
    assert what in broken.reason
    assert len(broken.reason) < 500
    assert list(data.documents(0, 1, broken.cursor)) == [four]


def test_a_line_that_would_fill_the_memory_is_named_and_not_kept(tmp_path):
    data = of(tmp_path, lines("one"))
    with (tmp_path / "a.jsonl").open("r+b") as file:
        file.truncate(200 * 2**20)  # a hole: one long line of NUL
        file.seek(0, 2)
        file.write(b"\n" + lines("three"))
    _, broken, three = data.documents(0, 1)
    assert "a.jsonl:2: the line is longer than 64 MB" in broken.reason
    assert three.content == "three"
    assert list(data.documents(0, 1, broken.cursor)) == [three]


def test_no_file_is_an_error_that_names_the_glob(tmp_path):
    data = Jsonl(path=str(tmp_path / "*.nothing"))
    with pytest.raises(DataError, match=r"\*\.nothing: no file matches"):
        next(data.documents(0, 1))


def test_an_empty_path_is_refused():
    with pytest.raises(ValueError, match="path: '' names no file"):
        Jsonl(path="")


def test_an_empty_file_has_no_documents(tmp_path):
    assert texts(of(tmp_path, b"")) == []


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.lists(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"))), min_size=1, max_size=3),
    streams=st.integers(1, 5),
    blanks=st.randoms(use_true_random=False),
)
def test_streams_are_disjoint_complete_and_go_on_behind_any_cursor(tmp_path, files, streams, blanks):
    for number in range(3):
        content = b"".join(lines(text) + b"\r\n" * blanks.randint(0, 1) for text in (files[number : number + 1] or [[]])[0])
        (tmp_path / f"{number}.jsonl").write_bytes(content)
    data = Jsonl(path=str(tmp_path / "*.jsonl"))
    seen = []
    for stream in range(streams):
        documents = list(data.documents(stream, streams))
        seen += [document.content for document in documents]
        for place, document in enumerate(documents):
            cursor = json.loads(json.dumps(document.cursor))
            assert list(data.documents(stream, streams, cursor)) == documents[place + 1 :]
    assert sorted(seen) == sorted(text for file in files for text in file)


def test_one_line_files_fall_into_different_streams(tmp_path):
    for number in range(8):
        (tmp_path / f"{number}.jsonl").write_bytes(lines(str(number)))
    data = Jsonl(path=str(tmp_path / "*.jsonl"))
    assert sorted(len(texts(data, stream, 4)) for stream in range(4)) == [2, 2, 2, 2]


def test_a_file_that_is_gone_or_shorter_at_a_resume_is_named(tmp_path):
    data = of(tmp_path, lines("one", "two"))
    (tmp_path / "b.jsonl").write_bytes(lines("three"))
    cursor = list(data.documents(0, 1))[1].cursor
    (tmp_path / "a.jsonl").write_bytes(lines("one"))
    with pytest.raises(DataError, match=r"a\.jsonl is shorter than it was"):
        texts(data, cursor=cursor)
    (tmp_path / "a.jsonl").unlink()
    with pytest.raises(DataError, match=r"a\.jsonl is gone"):
        texts(data, cursor=cursor)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_of_a_damaged_file_kept_dropped_and_skipped_are_its_lines(tmp_path, drawn):
    content = bytearray(lines("one", "zwei ä", "", "trois", "чотири") + b"\n" + lines("five"))
    for _ in range(drawn.draw(st.integers(0, 4))):
        place = drawn.draw(st.integers(0, len(content) - 1))
        content[place : place + drawn.draw(st.integers(0, 3))] = drawn.draw(st.binary(max_size=3))
    data, streams = of(tmp_path, bytes(content)), drawn.draw(st.integers(1, 3))
    items = [item for stream in range(streams) for item in data.documents(stream, streams)]
    assert len(items) == sum(1 for line in bytes(content).removeprefix(BOM).split(b"\n") if line.strip())
    for item in items:
        if isinstance(item, Skipped):
            assert f"{tmp_path / 'a.jsonl'}:{item.cursor['line']}: " in item.reason
        else:
            assert item.content.encode() is not None
