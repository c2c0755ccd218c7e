"""Files that are written whole or not at all."""

import pytest

from rnd1lib import disk


def test_a_text_replaces_what_was_there(tmp_path):
    for text in ("old", "ü new"):
        disk.replace_text(tmp_path / "a.txt", text)
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "ü new" and len(list(tmp_path.iterdir())) == 1


def test_a_text_that_cannot_be_written_leaves_what_was_there_and_nothing_else(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(OSError, match=r"a\.txt"):
        disk.replace_text(tmp_path / "a.txt", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
