"""The weights that a run starts from: those of the folder or run that `model.init` names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, nn

from rnd1lib.kinds import TensorSource
from rnd1lib.models.folder import Folder, open_folder
from rnd1lib.models.loading import load_model
from rnd1lib.models.run_folder import is_run_folder
from rnd1lib.models.weights import MaskRow, folder_tensors, load_folder
from rnd1lib.titan.preparation.model_folder import Start


@dataclass(frozen=True)
class RunTensors(Folder):
    """The newest weights of a run under Hugging Face names, as if they lay in a folder."""

    weights: dict[str, Tensor] = field(default_factory=dict)

    def tensors(self, names: Iterable[str]) -> Iterator[Tensor]:
        """Whole tensors, one after the other."""
        return map(self.weights.__getitem__, names)

    def _shapes(self, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
        return {name: tuple(self.weights[name].shape) for name in names}


def load_initial_weights(network: nn.Module, start: Start, sources: Sequence[TensorSource], mask_row: MaskRow) -> None:
    """Puts them into the network, sharded or not; a mask row that the folder was trained with is kept in any case.

    Raises ModelError for a foreign folder, CheckpointError for a run of ours.
    """
    if start.path is None:
        return
    folder = _run_tensors(start, sources) if is_run_folder(start.path) else open_folder(start.path)
    load_folder(network, folder, sources, mask_row=mask_row if start.mask_token_id is None else "keep")


def _run_tensors(start: Start, sources: Sequence[TensorSource]) -> RunTensors:
    assert start.path is not None
    path = Path(start.path)
    weights = dict(folder_tensors(load_model(path).network, sources))
    return RunTensors(path, start.config, dict.fromkeys(weights, path), weights)
