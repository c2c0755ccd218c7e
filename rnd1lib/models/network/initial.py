"""Initial weights as functions of (seed, parameter name): the same on any number of ranks and for any other parameter."""

from __future__ import annotations

import hashlib

import torch
from torch import nn
from torchtitan.models.common.param_init import skip_param_init

from rnd1lib.models.weights import parameter_name, put


def draw(network: nn.Module, seed: int) -> None:
    """Draws every parameter whole, on the CPU, with its own module's torchtitan initializer, and puts in this rank's shard.

    A tied table is drawn once, as the head's weight.
    """
    for prefix, module in network.named_modules():
        for short, parameter in module.named_parameters(recurse=False):
            initialise = module._param_init[short]
            if initialise is skip_param_init:
                continue
            whole = torch.empty(parameter.shape, dtype=torch.float32)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(_seed_of(seed, parameter_name(f"{prefix}.{short}")))
                initialise(whole)
            put(parameter, whole)


def _seed_of(seed: int, name: str) -> int:
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
