"""A save that is killed, or fails, at any write, flush or rename leaves what was there, and never a mixture."""

import errno
import io
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from rnd1lib.errors import CheckpointError
from rnd1lib.models.runs.checkpoint_reader import WeightsReader
from rnd1lib.models.runs.folder import checkpoints_in_order, found_checkpoints
from rnd1lib.models.runs.manifest import verify
from rnd1lib.titan.checkpoint.commit import CommittingWriter, Save, tidy

CALLS = ("mkdir", "rename", "replace", "fsync", "open", "unlink", "rmdir")


def write(folder, step, value, name="new"):
    states = {"weights": torch.full((3000,), float(value)), "step": value}
    save(
        states, storage_writer=CommittingWriter(Save(folder=folder, step=step, id=name, world_size=1, recipe="r")), no_dist=True
    )


def read(path):
    verify(path)
    states = {"weights": torch.zeros(3000)}
    load(states, storage_reader=WeightsReader(path), no_dist=True)
    assert states["weights"].unique().numel() == 1
    return int(states["weights"][0])


class Faults:
    """Counts the calls that change the disk; at the one of that number, `fault` happens."""

    def __init__(self, monkeypatch, at, fault):
        self.count, self.at, self.fault = 0, at, fault
        for name in CALLS:
            monkeypatch.setattr(os, name, self.around(getattr(os, name)))
        plain = io.open

        def opened(file, mode="r", *rest, **options):
            if "w" not in mode:
                return plain(file, mode, *rest, **options)
            self.meet()
            return io.BufferedWriter(counted(file, mode))

        outer = self

        class counted(io.FileIO):
            def write(self, data):
                outer.meet()
                return super().write(data)

        monkeypatch.setattr(io, "open", opened)

    def around(self, plain):
        def call(*arguments, **options):
            self.meet()
            return plain(*arguments, **options)

        return call

    def meet(self):
        self.count += 1
        if self.count == self.at:
            self.fault()


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def fail(number):
    def raised():
        raise OSError(number, os.strerror(number))

    return raised


def outcome(folder, step, monkeypatch, at, fault):
    """Saves in a process of its own, with one fault: 0 done, 1 told, -9 killed, 2 all faults are behind."""
    child = os.fork()
    if child == 0:
        code = 3
        try:
            faults = Faults(monkeypatch, at, fault)
            write(folder, step, 7)
            code = 0 if faults.count >= at else 2
        except (CheckpointException, Exception):
            code = 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("fault", [kill, fail(errno.EIO), fail(errno.ENOSPC)], ids=["kill -9", "EIO", "ENOSPC"])
@pytest.mark.parametrize("step", [6, 5], ids=["a new step", "a step that is there"])
def test_whatever_call_fails_the_old_is_there_or_the_new_and_each_is_whole(tmp_path, monkeypatch, step, fault):
    write(tmp_path / "before", 4, 4, "old")
    write(tmp_path / "before", 5, 5, "old")
    endings = []
    while 2 not in endings:
        folder = shutil.copytree(tmp_path / "before", tmp_path / str(len(endings)))
        endings.append(outcome(folder, step, monkeypatch, len(endings) + 1, fault))
        there = {found: read(path) for found, path in found_checkpoints(folder).items()}
        old, new = {4: 4, 5: 5}, {4: 4, 5: 5} | {step: 7}
        assert there in ([new] if endings[-1] in (0, 2) else [old, new]), endings
        tidy(folder)
        assert {found: read(path) for found, path in found_checkpoints(folder).items()} == there
        assert {path.name for path in folder.iterdir()} == {f"step-{found}" for found in there}
        write(folder, step, 8, "again")
        assert read(folder / f"step-{step}") == 8 and list(checkpoints_in_order(folder))[-1] == step
    assert len(endings) > 15 and endings.count(2) == 1 and 3 not in endings
    assert set(endings[:12]) == {-signal.SIGKILL if fault is kill else 1}


def test_every_byte_is_on_the_disk_before_the_rename_and_the_rename_before_the_end(tmp_path, monkeypatch):
    seen, fsync, rename = [], os.fsync, os.rename

    def watched_fsync(descriptor):
        seen.append(("fsync", str(Path(f"/proc/self/fd/{descriptor}").readlink()), os.fstat(descriptor).st_size))
        fsync(descriptor)

    def watched_rename(source, target, **options):
        seen.append(("rename", str(source), None))
        rename(source, target, **options)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "rename", watched_rename)
    write(tmp_path, 5, 5)
    unfinished, finished = str(tmp_path / "step-5.tmp-new"), tmp_path / "step-5"
    at = seen.index(("rename", unfinished, None))
    for path in finished.iterdir():
        assert ("fsync", f"{unfinished}/{path.name}", path.stat().st_size) in seen[:at], path.name
    assert seen[at - 1][:2] == ("fsync", unfinished)  # the names, last of all
    assert [event[:2] for event in seen[at + 1 :]] == [("fsync", str(tmp_path))]


def test_a_checkpoint_of_another_step_is_not_touched_by_a_damaged_one(tmp_path):
    write(tmp_path, 4, 4)
    write(tmp_path, 5, 5)
    (tmp_path / "step-5/.metadata").unlink()
    with pytest.raises(CheckpointError, match=r"step-5/\.metadata: is missing"):
        verify(tmp_path / "step-5")
    assert read(tmp_path / "step-4") == 4
