"""Checkpoints of a run: what is gone on from, what is kept, and what happens when a save fails."""

import errno
import json
import os
from types import SimpleNamespace

import pytest
import torch
from titan_runs import losses, weights

from rnd1lib.errors import CheckpointError, RecipeError
from rnd1lib.models.runs.manifest import MANIFEST, read_manifest
from rnd1lib.titan.checkpoint import commit
from rnd1lib.titan.checkpoint.retention import Needed, stale

EACH = "titan.checkpoint.interval=1"


def saved(folder):
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def flip_a_bit(checkpoint):
    (shard,) = checkpoint.glob("*.distcp")
    damaged = bytearray(shard.read_bytes())
    damaged[len(damaged) // 2] ^= 4
    shard.write_bytes(damaged)
    return shard


def same(result, whole):
    ours, theirs = weights(result), weights(whole)
    return losses(result) == losses(whole) and all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_one_flipped_bit_in_the_newest_is_said_and_the_run_goes_on_from_the_one_before(run, whole, saved_each_step, capfd):
    shard = flip_a_bit(saved_each_step.checkpoints / "step-4")
    capfd.readouterr()
    assert same(run(), whole)
    said = capfd.readouterr().err
    assert f"{shard}: is damaged, its checksum is not that of what was saved. Going on from an older checkpoint" in said
    assert "resumed from step 3, the newest whole checkpoint: step-4 is damaged" in said
    names = saved(saved_each_step.path)
    assert names[:3] == ["step-1", "step-2", "step-3"] and names[3].startswith("step-4.damaged-") and names[4:] == ["step-6"]


def test_a_step_that_was_asked_for_is_never_replaced_by_another(run, whole, saved_each_step, capfd):
    capfd.readouterr()
    assert same(run("titan.checkpoint.load_step=2"), whole)
    assert "resumed from step 2, which titan.checkpoint.load_step asks for" in capfd.readouterr().err
    flip_a_bit(saved_each_step.checkpoints / "step-2")
    with pytest.raises(CheckpointError, match=r"step-2/.*is damaged"):
        run("titan.checkpoint.load_step=2")
    with pytest.raises(RecipeError, match=r"load_step: .* has no checkpoint of step 5\. Steps: 1, 2, 3, 4, 6\."):
        run("titan.checkpoint.load_step=5")
    assert json.loads((saved_each_step.path / "status.json").read_text())["exit_code"] == 2


def test_the_newest_is_the_one_that_was_saved_last_and_retention_goes_by_that_too(run):
    keep = [EACH, "titan.checkpoint.keep_latest_k=2"]
    first = run(*keep, "run.stop_after=4")
    assert saved(first.folder) == ["step-3", "step-4"]
    run(*keep, "run.stop_after=5", "titan.checkpoint.load_step=3")
    assert saved(first.folder) == ["step-3", "step-4", "step-4.aside", "step-5"]  # 3: the one it went on from; 4 was saved anew
    again = run(*keep, "titan.checkpoint.interval=100", "run.stop_after=5", "train.steps=7")
    assert again.model().step == 5 and "step-4.aside" not in saved(first.folder)


@pytest.mark.parametrize(
    ("steps", "needed", "gone"),
    [
        ([1, 2, 3, 4], None, [2]),
        ([10, 30, 20, 25], None, [30]),
        ([2, 3, 4, 5], Needed(3, until=6), [2]),
        ([2, 3, 6, 7], Needed(3, until=6), [2, 3]),
    ],
)
def test_retention_keeps_the_newest_two_the_loaded_one_and_what_another_one_needs(steps, needed, gone):
    assert stale(steps, 2, loaded=steps[0] if needed is None else None, needed=needed) == gone


def test_a_manifest_says_what_was_saved_by_how_many_and_by_which_recipe(run):
    manifest = read_manifest(run("run.stop_after=2").folder / "checkpoints/step-2")
    assert (manifest.step, manifest.number, manifest.world_size, len(manifest.recipe)) == (2, 1, 1, 64)
    assert set(manifest.files) == {".metadata", "__0_0.distcp"}


@pytest.fixture
def failing(monkeypatch):
    """failing(times) lets the next flushes to the disk fail, as on a full one; gives how many did."""

    def begin(times):
        failed, plain = [], commit.flush

        def flush(path):
            if len(failed) < times and path.suffix == ".distcp":
                failed.append(path)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            plain(path)

        monkeypatch.setattr(commit, "flush", flush)
        return failed

    return begin


@pytest.mark.parametrize("mode", ["disabled", "async"])
def test_a_save_that_fails_once_is_tried_again(run, whole, failing, capfd, mode):
    failed = failing(1)
    result = run("titan.checkpoint.interval=2", f"titan.checkpoint.async_mode={mode}")
    assert len(failed) == 1 and same(result, whole)
    assert saved(result.folder) == (["step-2", "step-4", "step-6"] if mode == "disabled" else ["step-4", "step-6"])
    assert "could not be written (OSError: [Errno 28] No space left on device); trying once more" in capfd.readouterr().err


def test_a_disk_that_stays_full_ends_the_run_and_leaves_what_was_saved(run, whole, failing, tmp_path, monkeypatch):
    run("run.stop_after=2")
    with monkeypatch.context():
        failed = failing(9)
        with pytest.raises(
            CheckpointError, match=r"step 4 could not be saved \(.*\)\. It needs .* GB, and .* GB are free"
        ) as full:
            run("titan.checkpoint.interval=4")
        assert len(failed) == 2 and full.value.exit_code == 4
        failed.extend([None] * 9)
    assert saved(tmp_path / "run") == ["step-2"]
    assert same(run(), whole)


def test_a_checkpoint_that_does_not_fit_is_not_begun(run, monkeypatch, tmp_path):
    monkeypatch.setattr(commit.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**7))
    with pytest.raises(CheckpointError, match=r"No space left on device\)\. It needs 0\.018\d GB, and 0\.01 GB are free"):
        run("run.stop_after=1")
    assert saved(tmp_path / "run") == []


def test_an_asynchronous_save_is_the_same_checkpoint_and_is_told_of_when_it_is_whole(run, whole, monkeypatch):
    from rnd1_plugins.callbacks.console import Console

    told = []
    monkeypatch.setattr(Console, "on_checkpoint", lambda self, run, path: told.append((path.name, (path / MANIFEST).is_file())))
    options = ["titan.checkpoint.async_mode=async", EACH, "callbacks={console: {use: console}}"]
    run(*options, "run.stop_after=3")
    assert told == [("step-1", True), ("step-2", True), ("step-3", True)]
    assert same(run(*options, "titan.checkpoint.load_step=2"), whole)


def test_a_state_that_runs_code_when_it_is_unpickled_is_refused(run, tmp_path, monkeypatch):
    from rnd1lib.titan.step.loader import RowLoader

    class Evil:
        def __reduce__(self):
            return open, (str(tmp_path / "ran"), "w")

    with monkeypatch.context() as patch:
        patch.setattr(RowLoader, "state_dict", lambda self: {"next_row": Evil(), "streams": "{}"})
        run("run.stop_after=1")
    (tmp_path / "ran").unlink(missing_ok=True)
    with pytest.raises(CheckpointError, match="cannot be read, though its files are whole"):
        run()
    assert not (tmp_path / "ran").exists()
