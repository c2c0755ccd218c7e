"""Writes a checkpoint so that it is there whole or not at all, whatever is killed or fails on the way.

Everything is written into `step-N.tmp-ID`, brought to the disk, listed with checksums in the manifest, and only then renamed.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.metadata import Metadata
from torch.distributed.checkpoint.planner import SavePlan, SavePlanner
from torch.distributed.checkpoint.storage import WriteResult
from torch.futures import Future

from rnd1lib.disk import UNFINISHED, flush
from rnd1lib.models.runs.folder import ASIDE, STEP, found_checkpoints, number_of
from rnd1lib.models.runs.manifest import FileFacts, Manifest, facts_of

METADATA = ".metadata"


@dataclass(frozen=True, kw_only=True)
class Save:
    """One save of a run. folder: where checkpoints lie; id: the same on every rank, another one at each start of the run."""

    folder: Path
    step: int
    id: str
    world_size: int
    recipe: str

    @property
    def finished(self) -> Path:
        """The checkpoint."""
        return self.folder / f"step-{self.step}"

    @property
    def unfinished(self) -> Path:
        """Where it is written."""
        return self.folder / f"step-{self.step}{UNFINISHED}{self.id}"

    def commit(self, files: dict[str, FileFacts]) -> None:
        """Makes it a checkpoint. An older one of this step is moved aside, and stands in for this one until it is there."""
        numbers = [number_of(path) or 0 for path in found_checkpoints(self.folder).values()]
        Manifest(
            step=self.step, number=max(numbers, default=0) + 1, world_size=self.world_size, recipe=self.recipe, files=files
        ).write(self.unfinished)
        flush(self.unfinished)
        if self.finished.exists():
            aside = self.finished.with_name(self.finished.name + ASIDE)
            shutil.rmtree(aside, ignore_errors=True)
            self.finished.rename(aside)
        self.unfinished.rename(self.finished)
        flush(self.folder)


class Written(list[WriteResult]):
    """What torch's writer says of a rank's files, with their sizes and checksums."""

    files: Mapping[str, FileFacts]


class CommittingWriter(FileSystemWriter):
    """torch's writer, which ends with a commit. Every rank takes checksums of its own files; the coordinator commits.

    torch calls `finish` on the coordinator once every rank has written, in an asynchronous save too. What fails on one rank
    is raised on all, as CheckpointException.
    """

    def __init__(self, save: Save) -> None:
        super().__init__(save.unfinished, sync_files=False)  # torch's own fsync comes before the last bytes: see `_on_disk`
        self.save = save
        self.needed = 0  # bytes, over all ranks; known to the coordinator

    def prepare_global_plan(self, plans: list[SavePlan]) -> list[SavePlan]:
        """On the coordinator. Raises OSError if the checkpoint needs more room than there is."""
        self.needed = sum(map(_bytes, plans))
        if self.needed > shutil.disk_usage(self.save.folder).free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().prepare_global_plan(plans)

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        """This rank's files, brought to the disk and read back for their checksums."""
        written = Written(super().write_data(plan, planner).wait())
        written.files = {name: self._on_disk(name) for name in {result.storage_data.relative_path for result in written}}
        done: Future[list[WriteResult]] = Future()
        done.set_result(written)
        return done

    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        """The table of contents, and the commit."""
        super().finish(metadata, results)
        files = {name: facts for written in results if isinstance(written, Written) for name, facts in written.files.items()}
        self.save.commit({**files, METADATA: self._on_disk(METADATA)})

    def _on_disk(self, name: str) -> FileFacts:
        """Flushes a closed file: torch calls fsync while Python still buffers the file's end, all of a small one."""
        flush(self.save.unfinished / name)
        return facts_of(self.save.unfinished / name)


def tidy(folder: Path) -> None:
    """At the start of a run: what saves left behind that were killed is removed, or put back in its place."""
    for path in folder.glob("step-*"):
        if path.name.endswith(ASIDE) and STEP.fullmatch(path.name):
            finished = path.with_name(path.name.removesuffix(ASIDE))
            if finished.exists():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.rename(finished)
        elif UNFINISHED in path.name:
            shutil.rmtree(path, ignore_errors=True)


def _bytes(plan: SavePlan) -> int:
    """What a rank's tensors take; the rest is small."""
    tensors = (item.tensor_data for item in plan.items if item.tensor_data is not None)
    return sum(tensor.chunk.sizes.numel() * tensor.properties.dtype.itemsize for tensor in tensors)
