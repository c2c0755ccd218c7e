"""The script that makes lines of JSON of Debian's documentation, on a package's folder made by hand."""

import gzip
import json
import runpy
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "recipes" / "smollm2" / "debian_text.py"
LONG = "Words that fill a page. " * 30
PAGE = f"""<html><head><title>Unseen</title></head><body><nav>Unseen</nav><script>unseen()</script>
<h1>Chapter   1</h1><p>{LONG}
with a <em>word</em> in <b>bold</b> &amp; more.</p><pre>def f():
    return 1</pre><p>After.</p></body></html>"""


@pytest.fixture
def package(tmp_path):
    """A package of pages and texts, and what must be left out."""
    docs = tmp_path / "a-doc" / "usr" / "share" / "doc" / "a-doc"
    docs.mkdir(parents=True)
    (docs / "ch1.html").write_text(PAGE)
    (docs / "ch2.html.gz").write_bytes(gzip.compress(f"<p>{LONG} Zipped.".encode()))
    (docs / "again.html").write_text(PAGE)
    (docs / "short.html").write_text("<p>Short.</p>")
    (docs / "latin.html").write_bytes(LONG.encode() + b"\xe9")
    (docs / "link.html").symlink_to("ch1.html")
    (docs / "ch1.txt").write_text(LONG)
    return tmp_path / "a-doc"


def written(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    return [json.loads(line) for line in Path(arguments[0]).read_text().splitlines()]


def test_each_page_is_a_line_once_and_its_texts_alike_are_not(package, tmp_path, monkeypatch):
    lines = written(monkeypatch, tmp_path / "new" / "out.jsonl", package)
    names = [line["source"] for line in lines]
    assert names == ["a-doc: usr/share/doc/a-doc/again.html", "a-doc: usr/share/doc/a-doc/ch2.html.gz"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.jsonl"]


def test_what_a_reader_sees_of_a_page_is_its_text(package, tmp_path, monkeypatch):
    text = written(monkeypatch, tmp_path / "out.jsonl", package)[0]["text"]
    assert text.startswith("Chapter 1\n\nWords that fill a page.")
    assert text.endswith(" with a word in bold & more.\ndef f():\n    return 1\n\nAfter.")
    assert "nseen" not in text


def test_a_package_without_pages_gives_its_texts(package, tmp_path, monkeypatch):
    for page in package.rglob("*.html*"):
        page.unlink()
    (line,) = written(monkeypatch, tmp_path / "out.jsonl", package)
    assert line == {"text": LONG, "source": "a-doc: usr/share/doc/a-doc/ch1.txt"}


def test_what_apt_does_not_have_is_a_sentence_and_no_file(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="a-doc: no such folder, and there is no apt-get here"):
        written(monkeypatch, tmp_path / "out.jsonl", "a-doc")
    (tmp_path / "apt-get").write_text("#!/bin/sh\nexit 100\n")
    (tmp_path / "apt-get").chmod(0o755)
    with pytest.raises(SystemExit, match="a-doc: apt could not download it"):
        written(monkeypatch, tmp_path / "out.jsonl", "a-doc")
    assert [path.name for path in tmp_path.iterdir()] == ["apt-get"]


def test_a_folder_without_pages_and_texts_is_a_sentence_and_no_file(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match="empty: no page or text of 500 characters in usr/share, so nothing is written"):
        written(monkeypatch, tmp_path / "out.jsonl", tmp_path / "empty")
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
