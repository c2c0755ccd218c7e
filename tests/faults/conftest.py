"""The command line in this process, on a recipe that trains in a second."""

import json
import sys

import pytest

from rnd1lib.cli.app import main


@pytest.fixture
def rnd1(monkeypatch, capfd):
    """rnd1("train", ...) -> (exit code, lines on stderr): the very function that the command runs, without its process."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["rnd1", *map(str, arguments)])
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as left:
            code = left.code
        return code or 0, capfd.readouterr().err.splitlines()

    return run


@pytest.fixture
def documents(tmp_path):
    """documents(broken=N) writes 1 200 lines of JSON, line N of them broken, and gives the overrides that read them."""

    def write(broken=None):
        lines = [json.dumps({"text": f"Line {n} says that {n} and {n} make {2 * n}. " * (2 + n % 5)}) for n in range(1, 1201)]
        if broken:
            lines[broken - 1] = "{broken"
        (tmp_path / "docs.jsonl").write_text("\n".join(lines), encoding="utf-8")
        return [f"data={{use: jsonl, path: {tmp_path}/docs.jsonl, on_error: stop}}", "train.streams=8", "train.steps=60"]

    return write
