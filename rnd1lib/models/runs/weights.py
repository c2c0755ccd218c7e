"""A run's newest checkpoint as an origin of weights: each rank reads of it what its shards need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from torch import Size, Tensor
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner
from torch.distributed.checkpoint.metadata import ChunkStorageMetadata, Metadata, TensorStorageMetadata
from torch.distributed.checkpoint.planner import LoadPlan, ReadItem
from torch.distributed.checkpoint.planner_helpers import create_read_items_for_chunk_list

from rnd1lib.errors import CheckpointError
from rnd1lib.kinds import TensorSource
from rnd1lib.models.config.tensor_names import MASK_ROW, TABLE
from rnd1lib.models.origins.facts import read_facts
from rnd1lib.models.origins.folder import read_config
from rnd1lib.models.origins.listing import folded
from rnd1lib.models.origins.origin import Box, Origin
from rnd1lib.models.runs.checkpoint_reader import WeightsReader
from rnd1lib.models.runs.folder import RunFolder


@dataclass(frozen=True)
class RunWeights(Origin):
    """The weights of a run, the trained mask row in its place in the table. Raises CheckpointError when they are read."""

    @property
    def folder(self) -> Path:
        """`model/` of the run folder."""
        return RunFolder(self.path).model

    @property
    def step(self) -> int:
        """After which the checkpoint was saved."""
        return self._newest[0]

    def check(self, shapes: Mapping[str, tuple[int, ...]], sources: Iterable[TensorSource]) -> None:
        """Raises CheckpointError with a line for each parameter that is missing or of another shape."""
        found = {source.parameter: self._stored(source.parameter) for source in sources}
        missing = [f"{name}: missing." for name, stored in found.items() if stored is None]
        misshapen = [
            f"{name}: has shape {list(stored.size)}, config.json asks for {list(shapes[name])}."
            for name, stored in found.items()
            if stored is not None and tuple(stored.size) != shapes[name]
        ]
        if problems := [*folded(missing, "missing"), *folded(misshapen, "of another shape")]:
            raise CheckpointError("\n".join(f"{self._newest[1]}: {problem}" for problem in problems))

    def fill(self, out: Tensor, source: TensorSource, box: Box) -> None:
        """One stored piece of the parameter after the other; a piece is what one rank saved."""
        self._read(source.parameter, out, box)
        if source.parameter == TABLE and self._stored(MASK_ROW) is not None:
            row = read_facts(self.folder, self.config).mask_token_id
            if row is not None and box[0].start <= row < box[0].stop:
                self._read(MASK_ROW, out[row - box[0].start], box[1:])

    def not_finite(self, parameter: str, tensor: str) -> CheckpointError:
        """What is raised for weights that are no numbers."""
        return CheckpointError(f"{self._newest[1]}: the weights {parameter} are not finite, so the model computes nothing.")

    @cached_property
    def _newest(self) -> tuple[int, Path]:
        return RunFolder(self.path).newest()

    @cached_property
    def _opened(self) -> tuple[WeightsReader, Metadata]:
        reader = WeightsReader(self._newest[1])
        try:
            contents = reader.read_metadata()
        except Exception as error:  # whatever unpickling raises
            raise self._unreadable(error) from error
        reader.set_up_storage_reader(contents, is_coordinator=False)
        return reader, contents

    def _stored(self, name: str) -> TensorStorageMetadata | None:
        stored = self._opened[1].state_dict_metadata.get(name)
        return stored if isinstance(stored, TensorStorageMetadata) else None

    def _read(self, name: str, out: Tensor, box: Sequence[slice]) -> None:
        stored = self._stored(name)
        assert stored is not None  # `check` has seen it
        wanted = ChunkStorageMetadata(Size([each.start for each in box]), out.shape)
        items = create_read_items_for_chunk_list(name, stored, [wanted])
        try:
            self._opened[0].read_data(LoadPlan(items), _Into(out)).wait()
        except Exception as error:  # whatever reading raises
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> CheckpointError:
        reason = str(error).strip().rpartition("\n")[2]
        return CheckpointError(f"{self._newest[1]}: this checkpoint cannot be read ({type(error).__name__}: {reason}).")


class _Into(DefaultLoadPlanner):
    """Where the pieces of one tensor go."""

    def __init__(self, out: Tensor) -> None:
        super().__init__()
        self.out = out

    def resolve_tensor(self, read_item: ReadItem) -> Tensor:
        """The part of it that a piece fills."""
        part = self.out
        for dim, (start, length) in enumerate(zip(read_item.dest_offsets, read_item.lengths, strict=True)):
            part = part.narrow(dim, start, length)
        return part


def open_run(path: Path) -> RunWeights:
    """The weights of a run folder; its checkpoints are looked at when weights are read. Raises ModelError."""
    return RunWeights(path, read_config(RunFolder(path).model))
