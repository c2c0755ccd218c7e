"""The weights that a run starts from: those of what `model.init` names."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch.distributed as dist
from torch import nn

from rnd1lib.kinds import TensorSource
from rnd1lib.models.loading import facts_of
from rnd1lib.models.opening import open_model
from rnd1lib.models.origins.mask_row import FirstRow
from rnd1lib.models.weights import load_folder
from rnd1lib.titan.preparation.start import Start


def load_initial_weights(network: nn.Module, start: Start, sources: Sequence[TensorSource], mask_row: FirstRow | None) -> None:
    """Puts them into the network, sharded or not. Rank 0 says how the model was read before, and who says so.

    Raises ModelError for a foreign folder, CheckpointError for a run of ours.
    """
    if start.path is None:
        return
    origin = open_model(start.path)
    tokenizer = origin.tokenizer
    if dist.get_rank() == 0:
        print(f"{start.path}: {facts_of(origin, tokenizer).in_words(tokenizer)}", file=sys.stderr)
    load_folder(network, origin, sources, mask_row=mask_row)
