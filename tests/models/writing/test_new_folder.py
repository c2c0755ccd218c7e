"""A folder is there whole or not at all, whenever its process ends."""

import os
import signal
from pathlib import Path

import pytest

from rnd1lib.errors import ModelError
from rnd1lib.models.writing.new_folder import new_folder


def killed_while_writing(path):
    """A process that is killed with a file half written."""
    child = os.fork()
    if child == 0:
        with new_folder(path) as folder:
            (folder / "config.json").write_text("{")
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def test_what_was_written_appears_under_its_name_and_nothing_else(tmp_path):
    with new_folder(tmp_path / "deep" / "out") as folder:
        (folder / "a").write_text("1")
        assert not (tmp_path / "deep" / "out").exists()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]
    assert (tmp_path / "deep" / "out" / "a").read_text() == "1"
    assert (tmp_path / "deep" / "out").stat().st_mode & 0o777 == 0o755


def test_a_process_that_is_killed_leaves_nothing_under_the_name_and_the_next_one_removes_the_rest(tmp_path, capsys):
    killed_while_writing(tmp_path / "out")
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".out.unfinished-")
    with new_folder(tmp_path / "other"):
        pass
    assert left.exists()
    with new_folder(tmp_path / "out") as folder:
        assert not left.exists()
        (folder / "b").touch()
    assert "left behind by a process that did not finish; removed" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "out"]


def test_every_byte_and_name_is_on_the_disk_before_the_rename_and_the_new_name_after_it(tmp_path, monkeypatch):
    seen, fsync, rename = [], os.fsync, Path.rename

    def watched_fsync(descriptor):
        seen.append((Path(f"/proc/self/fd/{descriptor}").readlink(), os.fstat(descriptor).st_size))
        fsync(descriptor)

    def watched_rename(source, target):
        seen.append(("rename", target))
        return rename(source, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(Path, "rename", watched_rename)
    with new_folder(tmp_path / "out") as folder:
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(bytes(70_000))
    at = seen.index(("rename", tmp_path / "out"))
    assert {(folder / "config.json", 2), (folder / "model.safetensors", 70_000)} <= set(seen[:at])
    assert seen[at - 1][0] == folder  # the names, last of all
    assert [path for path, _ in seen[at + 1 :]] == [tmp_path]


def test_what_only_looks_alike_is_left_alone(tmp_path):
    others = [tmp_path / name for name in (".out", ".out.x1b2", ".outer.unfinished-1", "out.unfinished-1")]
    for other in others:
        other.mkdir()
    with new_folder(tmp_path / "out"):
        pass
    assert all(other.is_dir() for other in others)


def test_two_processes_do_not_write_the_same_folder(tmp_path):
    with new_folder(tmp_path / "out") as folder:
        with (
            pytest.raises(ModelError, match=rf"another process is writing it just now, as {folder.name}"),
            new_folder(tmp_path / "out"),
        ):
            pass
        assert folder.exists()
    assert (tmp_path / "out").is_dir()


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError, match="mine"), new_folder(tmp_path / "out") as folder:
        (folder / "a").touch()
        raise RuntimeError("mine")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_sentence(tmp_path):
    full = r"out: cannot be written \(No space left on device\)\. Nothing is left"
    with pytest.raises(ModelError, match=full), new_folder(tmp_path / "out"):
        Path("/dev/full").write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_with_too_little_room_is_told_of_before_anything_is_written(tmp_path):
    with (
        pytest.raises(ModelError, match=r"out: needs 1,000,000,000,000\.0 MB, and \d.* MB are free"),
        new_folder(tmp_path / "out", needs=10**18),
    ):
        pytest.fail("there was no room")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_a_file_is_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match=r"cannot be written \("), new_folder(tmp_path / "file" / "out"):
        pytest.fail("a file holds no folder")


@pytest.mark.parametrize("make", [lambda path: path.write_text("mine"), lambda path: path.symlink_to("nowhere")])
def test_what_is_there_already_is_kept(make, tmp_path):
    make(tmp_path / "out")
    with pytest.raises(ModelError, match="exists already; name a folder that does not"), new_folder(tmp_path / "out"):
        pytest.fail("something was there")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "out").mkdir()
    with new_folder(tmp_path / "out") as folder:
        (folder / "a").touch()
    assert (tmp_path / "out" / "a").exists()


def test_what_appears_while_it_is_written_is_kept(tmp_path):
    with pytest.raises(ModelError, match="exists already"), new_folder(tmp_path / "out"):
        (tmp_path / "out").write_text("mine")
    assert (tmp_path / "out").read_text() == "mine"
