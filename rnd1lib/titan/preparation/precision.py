"""`train.precision`, `train.loss` and compilation against the machine and the network: what cannot be is said beforehand."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch

from rnd1lib.kinds.model import experts_of

if TYPE_CHECKING:
    from rnd1lib.recipe import Recipe

COMPUTE_DTYPE: dict[str, Literal["float32", "bfloat16"]] = {
    "float32": "float32",
    "bf16": "bfloat16",
    "float8": "bfloat16",
    "mxfp8": "bfloat16",
}
"""What is not a quantized product computes in; weights, moments and gradients' sums are float32 throughout."""


class Hardware(NamedTuple):
    """What quantized products ask of a GPU and of the sizes of a product."""

    capability: tuple[int, int]
    examples: str
    multiple: int


QUANTIZED = {"float8": Hardware((8, 9), "L40, H100", 16), "mxfp8": Hardware((10, 0), "B200", 32)}
WIDTHS = ("hidden_size", "intermediate_size", "moe_intermediate_size")


def precision_problems(recipe: Recipe, config: Mapping[str, Any], tokens: int) -> list[str]:
    """Sentences, one for each thing that this machine or this network cannot do.

    config: the network's, as config.json. tokens: of one forward pass of a rank.
    """
    compiled = bool(recipe.titan.get("compile", {}).get("enable", False))
    train = recipe.train
    return [
        *_quantization_problems(train.precision, config, tokens),
        *(_compile_problems(train.precision, config) if compiled else ()),
        *(_liger_problems() if train.loss == "liger" else ()),
    ]


def precision_notes(precision: str, config: Mapping[str, Any]) -> list[str]:
    """What is not what the word says on this machine, for people to read at the start of a run."""
    if precision not in QUANTIZED or torch.cuda.is_available():
        return []
    experts = " The experts compute in bf16: torchao has their float8 product for GPUs alone."
    return [
        f"precision {precision} is emulated on this machine: its rounding, not its speed."
        + experts * (precision == "float8" and experts_of(config) > 0)
    ]


def _quantization_problems(precision: str, config: Mapping[str, Any], tokens: int) -> Iterator[str]:
    if precision not in QUANTIZED:
        return
    needs = QUANTIZED[precision]
    if find_spec("torchao") is None:
        yield f"train.precision: {precision} needs torchao, which is not installed: pip install rnd1lib[float8]."
    if torch.cuda.is_available() and (has := torch.cuda.get_device_capability()) < needs.capability:
        fitting = [name for name, other in QUANTIZED.items() if other.capability <= has] + ["bf16"]
        yield (
            f"train.precision: {precision} needs a GPU of compute capability {_dotted(needs.capability)} ({needs.examples}), "
            f"and this {torch.cuda.get_device_name()} has {_dotted(has)}. Use {' or '.join(fitting)}."
        )
    sizes = {key: config[key] for key in WIDTHS if config.get(key)}
    if heads := config.get("num_attention_heads"):
        sizes["num_attention_heads x head_dim"] = heads * (config.get("head_dim") or config["hidden_size"] // heads)
    for name, size in (sizes | {"tokens of a rank's forward pass": tokens}).items():
        if size % needs.multiple:
            yield f"train.precision: {precision} needs multiples of {needs.multiple}, and the {name} are {size}. Use bf16."


def _dotted(capability: tuple[int, int]) -> str:
    return ".".join(map(str, capability))


def _compile_problems(precision: str, config: Mapping[str, Any]) -> Iterator[str]:
    if precision == "float32" and experts_of(config):
        yield (
            "titan.compile.enable: torch compiles the products of experts in bf16 alone, and train.precision is float32. "
            "Use train.precision=bf16, or do not compile."
        )
    if torch.accelerator.is_available():
        return
    if precision in QUANTIZED:
        yield (
            f"titan.compile.enable: on a CPU {precision} is emulated, and torchao's emulation is not compiled. "
            "Use train.precision=bf16, or do not compile."
        )
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        yield "titan.compile.enable: a CPU's code is made by a C++ compiler, and there is no g++. Install it, or set CXX."


def _liger_problems() -> Iterator[str]:
    if not torch.cuda.is_available():
        yield "train.loss: liger is a triton kernel, which needs a GPU. Use train.loss=chunked, which computes the same."
    if find_spec("liger_kernel") is None:
        yield "train.loss: liger needs liger-kernel, which is not installed: pip install rnd1lib[liger]."
