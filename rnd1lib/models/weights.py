"""Weights in and out of a network, a tensor at a time: whole tensors on one side, this rank's shards on the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from rnd1lib.errors import ModelError
from rnd1lib.kinds import TensorSource
from rnd1lib.models.folder import Folder

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


@torch.no_grad()
def put_slices(parameter: Tensor, slices: Iterable[Tensor]) -> None:
    """`put` of a tensor that comes as its slices along the first dimension; only for a shard are they put together first."""
    if isinstance(parameter, DTensor):
        put(parameter, torch.stack(list(slices)))
    else:
        for slot, one in zip(parameter, slices, strict=True):
            slot.copy_(one)


def load_folder(network: nn.Module, folder: Folder, sources: Iterable[TensorSource], *, mask_row: MaskRow = "keep") -> None:
    """Puts a Hugging Face folder's tensors into a network, sharded or not; every rank reads the folder.

    mask_row: what the mask token's row becomes: the mean of the rows below it (the trained ones), zeros, or the folder's
    own row. Raises ModelError that names every missing, unexpected and misshapen tensor, before anything is changed.
    """
    ours, sources = parameters(network), list(sources)
    check_folder(network, folder, sources)
    for source in sources:
        if source.stacked:
            put_slices(ours[source.parameter], folder.tensors(source.tensors))
            continue
        whole = folder.tensor(*source.tensors)
        put(ours[source.parameter], whole)
        if source.parameter == TABLE and MASK_ROW in ours:
            put(ours[MASK_ROW], _first_row(whole, _mask_token_id(network), mask_row))


def check_folder(network: nn.Module, folder: Folder, sources: Iterable[TensorSource]) -> None:
    """Raises ModelError that names every tensor of the folder that does not fit the network, which may be on meta."""
    ours = parameters(network)
    folder.check({name: shape for source in sources for name, shape in _shapes(source, ours[source.parameter])})


def _shapes(source: TensorSource, parameter: Tensor) -> Iterator[tuple[str, tuple[int, ...]]]:
    shape = tuple(parameter.shape[1:] if source.stacked else parameter.shape)
    return ((name, shape) for name in source.tensors)


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


def write_mask_row(network: nn.Module) -> None:
    """Writes the trained mask row into its table, so that a tied head sees it too; for a network on one device."""
    ours = parameters(network)
    if MASK_ROW in ours:
        with torch.no_grad():
            ours[TABLE][_mask_token_id(network)] = ours[MASK_ROW]


def _whole(parameter: Tensor) -> Tensor:
    return (parameter.full_tensor() if isinstance(parameter, DTensor) else parameter).detach().cpu()


def _mask_token_id(network: nn.Module) -> int:
    return int(network.get_submodule("tok_embeddings").mask_token_id)  # type: ignore[arg-type]
