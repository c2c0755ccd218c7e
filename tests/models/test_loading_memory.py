"""A rank's memory while it loads: its shard and little more, however the weights lie in files; no file opened for each."""

import json
from pathlib import Path

import pytest
import safetensors
import torch
from processes import Forked

from rnd1lib.models.origins import folder as folders

STATUS = Path("/proc/self/status")
MiB = 1 << 20


@pytest.mark.distributed
@pytest.mark.skipif("RssAnon" not in (STATUS.read_text() if STATUS.exists() else ""), reason="/proc tells no RssAnon here")
def test_the_peak_is_what_is_kept_and_at_most_the_two_largest_tensors(tmp_path):
    child = Forked(tmp_path, script=Path(__file__).with_name("loading_memory.py"))
    assert child.wait() == 0, child.text
    found = {(row["weights"], row["way"]): row for row in map(json.loads, child.lines)}
    kept = {way: row["kept"] // MiB for way, row in found.items()}
    assert 100 < kept["folder", "bfloat16"] < 150 and kept["folder", "float32"] // 2 == kept["folder", "bfloat16"]
    assert kept["folder", "FSDP"] == kept["folder", "EP"] == kept["run", "FSDP"] == kept["folder", "float32"] // 2
    for way, row in found.items():
        assert row["kept"] * 0.9 < row["peak"] < row["bound"] + 4 * MiB, (way, row)
    assert len(found) == 5


def test_a_file_is_opened_twice_at_most_for_all_of_its_tensors(written_by_transformers, monkeypatch):
    opened = []

    def counting(path, *arguments, **options):
        opened.append(path)
        return safetensors.safe_open(path, *arguments, **options)

    monkeypatch.setattr(folders, "safe_open", counting)
    folder = folders.open_folder(written_by_transformers["mixed"][0])
    assert folder.problems(folder.shapes) == []
    assert all(torch.equal(folder.tensor(name), folder.tensor(name)) for name in folder.shapes)
    assert len(opened) == 2
