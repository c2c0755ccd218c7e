"""A network that holds one layer at a time: its weights come from an origin as each layer is run, and go again.

So a model of any size gives logits in little memory: slowly, since all weights are read for each call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from rnd1lib.kinds import TensorSource
from rnd1lib.models.config.tensor_names import HEAD, MASK_ROW, TABLE
from rnd1lib.models.denoiser import DiffusionLM
from rnd1lib.models.loading import component_for, denoiser, meta_network
from rnd1lib.models.origins.facts import Facts
from rnd1lib.models.origins.origin import Box, Origin
from rnd1lib.models.tokens.tokenizer import Tokenizer
from rnd1lib.models.weights import check_folder, folder_tensors, parameters


@dataclass(frozen=True)
class NetworkWeights(Origin):
    """The weights of a network in memory, sharded or not, the trained mask row in its place in the table."""

    network: nn.Module

    @property
    def dtype(self) -> torch.dtype:
        """The network's."""
        return next(self.network.parameters()).dtype

    def check(self, shapes: Mapping[str, tuple[int, ...]], sources: Iterable[TensorSource]) -> None:
        """A network has what its own config says."""

    def fill(self, out: Tensor, source: TensorSource, box: Box) -> None:
        """Every rank must ask for the same, since a sharded parameter is gathered."""
        tensors = [tensor for _, tensor in folder_tensors(self.network, [source])]
        if not source.stacked:
            out.copy_(tensors[0][box])
            return
        for slot, tensor in zip(out, tensors[box[0]], strict=True):
            slot.copy_(tensor[box[1:]])


@dataclass(frozen=True)
class Rounded(Origin):
    """The weights of another origin as they are after they were written in another dtype."""

    origin: Origin
    to: torch.dtype

    def check(self, shapes: Mapping[str, tuple[int, ...]], sources: Iterable[TensorSource]) -> None:
        """As the other's."""
        self.origin.check(shapes, sources)

    def fill(self, out: Tensor, source: TensorSource, box: Box) -> None:
        """As the other's, rounded."""
        rounded = torch.empty(out.shape, dtype=self.to)
        self.origin.fill(rounded, source, box)
        out.copy_(rounded)


def stream_model(
    origin: Origin,
    facts: Facts,
    tokenizer: Tokenizer | None = None,
    *,
    device: str | torch.device = "cpu",
    dtype: str = "float32",
) -> DiffusionLM:
    """A model whose network holds the weights of the layer that is being run alone, computing in `dtype`.

    Raises what `load_model` raises for tensors that do not fit.
    """
    with origin.whose_config():
        component = component_for(origin.config)
        network, sources = meta_network(component, origin.config, facts, dtype), component.tensors(origin.config)
    check_folder(network, origin, sources)
    network._apply(lambda tensor: _hollow(tensor, device) if isinstance(tensor, nn.Parameter) else _like(tensor, device))
    network.prepare()
    network.eval().requires_grad_(False)
    _fill_as_it_runs(network, origin, sources)
    return denoiser(network, origin.config, facts, tokenizer)


def _like(tensor: Tensor, device: str | torch.device) -> Tensor:
    return torch.empty_like(tensor, device=device)


def _hollow(tensor: Tensor, device: str | torch.device) -> Tensor:
    """A storage of no bytes, until it is filled."""
    made = _like(tensor, device)
    made.untyped_storage().resize_(0)
    return made


def _fill_as_it_runs(network: nn.Module, origin: Origin, sources: Iterable[TensorSource]) -> None:
    by_module = {name: list(group) for name, group in groupby(sources, key=lambda source: _module(source.parameter))}
    by_module.setdefault(_module(HEAD), by_module[_module(TABLE)])  # tied: the table is the head
    ours = parameters(network)
    for name, own in by_module.items():
        module = network.get_submodule(name)
        module.register_forward_pre_hook(lambda module, _, own=own: _fill(module, ours, origin, own))
        module.register_forward_hook(lambda module, *_: _empty(module))


def _module(parameter: str) -> str:
    parts = parameter.split(".")
    return ".".join(parts[: 2 if parts[0] == "layers" else 1])


@torch.no_grad()
def _fill(module: Any, ours: Mapping[str, Tensor], origin: Origin, sources: Iterable[TensorSource]) -> None:
    for parameter in module.parameters():
        parameter.untyped_storage().resize_(parameter.numel() * parameter.itemsize)
    for parameter, source in ((ours[source.parameter], source) for source in sources):
        origin.fill(parameter, source, tuple(slice(0, size) for size in parameter.shape))
    if (row := getattr(module, MASK_ROW.rpartition(".")[2], None)) is not None:
        row.copy_(ours[TABLE][module.mask_token_id])


def _empty(module: nn.Module) -> None:
    for parameter in module.parameters():
        parameter.untyped_storage().resize_(0)
