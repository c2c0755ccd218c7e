"""Weights in and out of a network, a tensor at a time: whole tensors on one side, this rank's shards on the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

from rnd1lib.kinds import TensorSource
from rnd1lib.models.config.tensor_names import MASK_ROW, TABLE
from rnd1lib.models.origins.mask_row import FirstRow, first_row, grown
from rnd1lib.models.origins.origin import Box, Origin


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


def load_folder(
    network: nn.Module, origin: Origin, sources: Iterable[TensorSource], *, mask_row: FirstRow | None = None
) -> None:
    """Fills a network, sharded or not, with weights; a rank reads what its own shards need, and nothing is communicated.

    mask_row: what the mask token's row becomes; the origin's own by default. Rows of the network's table and head beyond the
    origin's are the mean of the trained ones. Raises ModelError that names every missing, unexpected and misshapen tensor,
    before anything is changed, and one that names weights that are not finite; CheckpointError for a run of ours.
    """
    ours, sources, first = parameters(network), list(sources), mask_row or FirstRow()
    origin = grown(origin, len(ours[TABLE]), _mask_token_id(network) if MASK_ROW in ours else None, first.trained)
    check_folder(network, origin, sources)
    for source in sources:
        _fill(ours[source.parameter], origin, source)
        if source.parameter == TABLE and MASK_ROW in ours:
            put(ours[MASK_ROW], first_row(origin, source, ours[TABLE].shape[1], _mask_token_id(network), first))


def check_folder(network: nn.Module, origin: Origin, sources: Iterable[TensorSource]) -> None:
    """Raises ModelError that names every tensor of the origin that does not fit the network, which may be on meta."""
    origin.check({name: tuple(parameter.shape) for name, parameter in parameters(network).items()}, sources)


def folder_shapes(network: nn.Module, sources: Iterable[TensorSource]) -> dict[str, tuple[int, ...]]:
    """Of every tensor that a network, which may be on meta, is written as, by its Hugging Face name."""
    ours = parameters(network)
    return {name: tuple(ours[each.parameter].shape[each.stacked :]) for each in sources for name in each.tensors}


@torch.no_grad()
def _fill(parameter: Tensor, origin: Origin, source: TensorSource) -> None:
    local, box = shard(parameter)
    if not local.numel():
        return
    origin.fill(local, source, box)
    if not _is_finite(local):
        parts = zip(source.tensors[box[0]], local, strict=True) if source.stacked else zip(source.tensors, [local], strict=True)
        raise origin.not_finite(source.parameter, next(name for name, part in parts if not _is_finite(part)))


def _is_finite(tensor: Tensor) -> bool:
    """By its smallest and largest number, which NaN and infinity reach: no copy is made."""
    return all(bool(edge.isfinite()) for edge in tensor.aminmax())


def shard(parameter: Tensor) -> tuple[Tensor, Box]:
    """What this rank holds of a parameter, and which part of the whole that is."""
    if not isinstance(parameter, DTensor):
        return parameter, tuple(slice(0, size) for size in parameter.shape)
    mesh, placements = parameter.device_mesh, parameter.placements
    sizes, starts = compute_local_shape_and_global_offset(parameter.shape, mesh, placements)
    return parameter.to_local(), tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True))


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
