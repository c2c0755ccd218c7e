"""The weights that a run starts from: those of what `model.init` names."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from rnd1lib.kinds import TensorSource
from rnd1lib.models.opening import open_model
from rnd1lib.models.weights import MaskRow, load_folder
from rnd1lib.titan.preparation.model_folder import Start


def load_initial_weights(network: nn.Module, start: Start, sources: Sequence[TensorSource], mask_row: MaskRow) -> None:
    """Puts them into the network, sharded or not; a mask row that they were trained with is kept in any case.

    Raises ModelError for a foreign folder, CheckpointError for a run of ours.
    """
    if start.path is not None:
        load_folder(network, open_model(start.path), sources, mask_row=mask_row if start.mask_token_id is None else "keep")
