"""Weights in and out of a network, a tensor at a time: whole tensors on one side, this rank's shards on the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

from rnd1lib.errors import ModelError
from rnd1lib.kinds import TensorSource
from rnd1lib.models.origin import Box, Origin

MaskRow = Literal["mean", "zero", "keep"]
TABLE, MASK_ROW, HEAD = "tok_embeddings.weight", "tok_embeddings.mask_row", "lm_head.weight"


def parameter_name(name: str) -> str:
    """A parameter's name freed of what recomputation and compilation put into it."""
    return name.replace("_checkpoint_wrapped_module.", "").replace("_orig_mod.", "")


def parameters(network: nn.Module) -> dict[str, nn.Parameter]:
    """Every parameter by its clean name; a tied one under both of its names."""
    return {parameter_name(name): value for name, value in network.named_parameters(remove_duplicate=False)}


@torch.no_grad()
def put(parameter: Tensor, whole: Tensor) -> None:
    """Copies a whole tensor, the same on every rank, into a parameter or its shard; nothing is communicated."""
    if isinstance(parameter, DTensor):
        whole = whole.to(parameter.device, parameter.dtype)
        whole = distribute_tensor(whole, parameter.device_mesh, parameter.placements, src_data_rank=None).to_local()
        parameter = parameter.to_local()
    parameter.copy_(whole)


def load_folder(network: nn.Module, origin: Origin, sources: Iterable[TensorSource], *, mask_row: MaskRow = "keep") -> None:
    """Fills a network, sharded or not, with weights; a rank reads what its own shards need, and nothing is communicated.

    mask_row: what the mask token's row becomes: the mean of the rows below it (the trained ones), zeros, or the origin's
    own row. Raises ModelError that names every missing, unexpected and misshapen tensor, before anything is changed, and one
    that names weights that are not finite; CheckpointError for a run of ours.
    """
    ours, sources = parameters(network), list(sources)
    check_folder(network, origin, sources)
    for source in sources:
        _fill(ours[source.parameter], origin, source)
        if source.parameter == TABLE and MASK_ROW in ours:
            table_VD = origin.whole(source, ours[TABLE].shape)
            put(ours[MASK_ROW], _first_row(table_VD, _mask_token_id(network), mask_row))


def check_folder(network: nn.Module, origin: Origin, sources: Iterable[TensorSource]) -> None:
    """Raises ModelError that names every tensor of the origin that does not fit the network, which may be on meta."""
    origin.check({name: tuple(parameter.shape) for name, parameter in parameters(network).items()}, sources)


@torch.no_grad()
def _fill(parameter: Tensor, origin: Origin, source: TensorSource) -> None:
    local, box = shard(parameter)
    if local.numel():
        origin.fill(local, source, box)
        parts = zip(source.tensors[box[0]], local, strict=True) if source.stacked else zip(source.tensors, [local], strict=True)
        for name, part in parts:
            if not all(edge.isfinite() for edge in part.aminmax()):  # which NaN and infinity reach, without a copy
                raise origin.not_finite(source.parameter, name)


def shard(parameter: Tensor) -> tuple[Tensor, Box]:
    """What this rank holds of a parameter, and which part of the whole that is."""
    if not isinstance(parameter, DTensor):
        return parameter, tuple(slice(0, size) for size in parameter.shape)
    mesh, placements = parameter.device_mesh, parameter.placements
    sizes, starts = compute_local_shape_and_global_offset(parameter.shape, mesh, placements)
    return parameter.to_local(), tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True))


def _first_row(table_VD: Tensor, mask_token_id: int, choice: MaskRow) -> Tensor:
    match choice:
        case "keep":
            return table_VD[mask_token_id]
        case "zero":
            return torch.zeros_like(table_VD[0])
        case "mean":
            return table_VD[: mask_token_id or None].float().mean(0)
    raise ModelError(f"mask_row: {choice!r} is none of mean, zero, keep.")


def folder_tensors(network: nn.Module, sources: Iterable[TensorSource]) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a network by its Hugging Face name, whole and on the CPU, the mask row in its place in the table.

    Every rank must run through it, since it gathers a parameter at a time.
    """
    ours = parameters(network)
    for source in sources:
        whole = _whole(ours[source.parameter])
        if source.parameter == TABLE and MASK_ROW in ours:
            whole = whole.clone()
            whole[_mask_token_id(network)] = _whole(ours[MASK_ROW])
        yield from zip(source.tensors, whole if source.stacked else [whole], strict=True)


def _whole(parameter: Tensor) -> Tensor:
    return (parameter.full_tensor() if isinstance(parameter, DTensor) else parameter).detach().cpu()


def _mask_token_id(network: nn.Module) -> int:
    return int(network.get_submodule("tok_embeddings").mask_token_id)  # type: ignore[arg-type]
