"""No change of a checkpoint's files goes unnoticed, and each is named."""

import json
import random
import shutil

import pytest

from rnd1lib.errors import CheckpointError
from rnd1lib.models.runs.manifest import MANIFEST, FileFacts, Manifest, facts_of, read_manifest, verify

NAMES = (".metadata", "__0_0.distcp", "__1_0.distcp")


@pytest.fixture
def checkpoint(tmp_path):
    """A folder of three files of random bytes and their manifest."""
    folder = tmp_path / "step-7"
    folder.mkdir()
    for size, name in zip((300, 2000, 2000), NAMES, strict=True):
        (folder / name).write_bytes(random.Random(name).randbytes(size))
    files = {name: facts_of(folder / name) for name in NAMES}
    Manifest(step=7, number=3, world_size=2, recipe="ab", files=files).write(folder)
    return folder


def flip(draw, path, data):
    at = draw.randrange(len(data))
    path.write_bytes(data[:at] + bytes([data[at] ^ (1 << draw.randrange(8))]) + data[at + 1 :])


def truncate(draw, path, data):
    path.write_bytes(data[: draw.randrange(len(data))])


def zero(draw, path, data):
    at = draw.randrange(len(data) - 64)
    path.write_bytes(data[:at] + bytes(64) + data[at + 64 :])


def grow(draw, path, data):
    path.write_bytes(data + b"\0")


def lose(draw, path, data):
    path.unlink()


def swap(draw, path, data):
    other = path.with_name(draw.choice([name for name in (*NAMES, MANIFEST) if name != path.name]))
    path.write_bytes(other.read_bytes())
    other.write_bytes(data)


def become_a_folder(draw, path, data):
    path.unlink()
    path.mkdir()


CHANGES = (flip, flip, flip, truncate, zero, grow, lose, swap, become_a_folder)


def test_none_of_five_hundred_changes_is_silent(checkpoint, tmp_path):
    mutant, draw = tmp_path / "mutant/step-7", random.Random(0)
    silent = []
    for number in range(500):
        shutil.copytree(checkpoint, mutant)
        path, change = mutant / draw.choice((*NAMES, MANIFEST)), draw.choice(CHANGES)
        change(draw, path, path.read_bytes())
        try:
            verify(mutant)
        except CheckpointError as error:
            assert str(mutant) in str(error) and "\n" not in str(error)
        else:
            silent.append((number, change.__name__, path.name))
        shutil.rmtree(mutant)
    assert silent == []


def test_sizes_alone_are_compared_where_that_was_asked_for_and_a_share_of_the_files_where_others_read_the_rest(checkpoint):
    shard = checkpoint / NAMES[2]
    shard.write_bytes(bytes(2000))
    assert verify(checkpoint, hashes=False).bytes == 4300
    number = list(read_manifest(checkpoint).files).index(NAMES[2])
    verify(checkpoint, mine=lambda each: each != number)
    with pytest.raises(CheckpointError, match="__1_0"):
        verify(checkpoint, mine=lambda each: each == number)


def test_large_checkpoints_are_read_whole_only_on_demand(checkpoint, monkeypatch):
    (checkpoint / NAMES[2]).write_bytes(bytes(2000))
    monkeypatch.setattr("rnd1lib.models.runs.manifest.HASHED_BYTES", 4299)
    verify(checkpoint)
    with pytest.raises(CheckpointError, match=r"__1_0\.distcp: is damaged"):
        verify(checkpoint, hashes=True)


def test_a_whole_checkpoint_under_another_steps_name_is_noticed(checkpoint):
    moved = checkpoint.rename(checkpoint.with_name("step-8"))
    with pytest.raises(CheckpointError, match="is of step 7, and lies in the folder step-8"):
        verify(moved)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "..", ""])
def test_a_manifest_names_no_file_outside_of_its_folder(checkpoint, name):
    (checkpoint.parent / "outside").write_bytes(b"")
    Manifest(step=7, number=3, world_size=2, recipe="ab", files={name: FileFacts(0, "")}).write(checkpoint)
    with pytest.raises(CheckpointError, match="is missing"):
        verify(checkpoint)


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{}", '{"sha256": 1}', "[" * 100_000, '{"files": {}, "sha256": ""}', "\xff"]
)
def test_what_is_no_manifest_is_named(checkpoint, text):
    (checkpoint / MANIFEST).write_text(text, encoding="latin-1")
    with pytest.raises(CheckpointError, match=r"step-7/manifest\.json: is damaged"):
        read_manifest(checkpoint)


def test_a_manifest_is_plain_json(checkpoint):
    said = json.loads((checkpoint / MANIFEST).read_text())
    assert (said["step"], said["number"], said["world_size"], said["files"][".metadata"]["size"]) == (7, 3, 2, 300)
