"""What was written, read back: every tensor bit for bit, and the logits, a layer at a time, whatever the model's size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from rnd1lib.errors import ModelError
from rnd1lib.kinds import TensorSource
from rnd1lib.models.denoiser import DiffusionLM
from rnd1lib.models.loading import facts_of
from rnd1lib.models.origins.folder import open_folder
from rnd1lib.models.origins.origin import NamedTensors, Origin
from rnd1lib.models.weights import parameters
from rnd1lib.models.writing.streaming import Rounded, stream_model

COMPARED = (2, 32)  # rows and tokens
TOLERANCE = 1e-4


class Comparison(NamedTuple):
    """How many logits were compared, how far apart the two furthest are, and how far rounding the weights moved one."""

    logits: int
    difference: float
    rounding: float


def named_tensors(origin: Origin, model: DiffusionLM, sources: Iterable[TensorSource]) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a folder by its name, as the origin has it; a parameter at a time is in memory."""
    ours = parameters(model.network)
    for source in sources:
        whole = torch.empty(ours[source.parameter].shape, dtype=origin.dtype)
        origin.fill(whole, source, tuple(slice(0, size) for size in whole.shape))
        yield from zip(source.tensors, whole if source.stacked else [whole], strict=True)


def compare(
    origin: Origin, model: DiffusionLM, sources: Sequence[TensorSource], folder: Path, dtype: torch.dtype
) -> Comparison:
    """Compares a written folder with where its weights came from; `model` is the one of these weights.

    dtype: that of the written tensors. Raises ModelError for a tensor that is not what was to be written, and for logits of
    the folder that are further than TOLERANCE from those of the model with its weights rounded to `dtype`.
    """
    written = open_folder(folder)
    for name, tensor in named_tensors(origin, model, sources):
        _check_equal(written, name, tensor.to(dtype))
    computing = str(next(model.network.parameters()).dtype).removeprefix("torch.")
    ids_BL = _ids(model)

    def logits(origin: Origin) -> Tensor:
        streamed = stream_model(origin, facts_of(written, None), device=model.device, dtype=computing)
        return _comparable(streamed, ids_BL)

    own_BLV = _comparable(model, ids_BL)
    rounded_BLV = own_BLV if origin.dtype == dtype else logits(Rounded(origin.path, origin.config, origin, dtype))
    difference = _largest(rounded_BLV - logits(written))
    if not difference <= TOLERANCE:
        raise ModelError(f"what was read back gives logits {difference:.1e} from the model's.")
    return Comparison(own_BLV.numel(), difference, _largest(own_BLV - rounded_BLV))


def _ids(model: DiffusionLM) -> Tensor:
    """[2, 32] random tokens; every fourth is masked where the model has a token for that."""
    ids_BL = torch.randint(model.vocab_size, COMPARED, generator=torch.Generator().manual_seed(0))
    if model.has_mask_token:
        ids_BL[:, ::4] = model.mask_token_id
    return ids_BL


def _check_equal(written: NamedTensors, name: str, tensor: Tensor) -> None:
    if not same_bits(written.tensor(name), tensor):
        raise ModelError(f"{name}: what was read back is not what was written.")


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same to the last bit: zeros have a sign."""
    return one.dtype == other.dtype and torch.equal(one.contiguous().view(torch.uint8), other.contiguous().view(torch.uint8))


def _comparable(model: DiffusionLM, ids_BL: Tensor) -> Tensor:
    """The model's logits, save those of the mask token, which nobody uses: of a tied head in training they are old ones."""
    logits_BLV = model.logits(ids_BL).float()
    if model.has_mask_token:
        logits_BLV[..., model.mask_token_id] = 0
    return logits_BLV


def _largest(difference: Tensor) -> float:
    return float(difference.abs().max())
