"""Float8 and MXFP8 products by torchao, put into a network's configuration before it is built. Imports torchao.

The layers are torchtitan's quantized ones. Its converters, which would put them in, refuse a machine without the GPU; here one
path runs everywhere, on a CPU with torchao's emulation, so that what is tested is what runs. Weights stay plain float32
parameters of the same names: a checkpoint knows nothing of the precision. See docs/decisions/0011.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import torch
import torch._inductor.config
from torch import Tensor
from torchao.float8 import Float8LinearConfig
from torchao.prototype.moe_training.config import Float8TrainingOpConfig, MXFP8TrainingOpConfig
from torchao.prototype.moe_training.utils import _quantize_then_scaled_grouped_mm
from torchao.quantization.quantize_.common import KernelPreference
from torchtitan.components.quantization import Float8Linear, MXFP8Linear
from torchtitan.components.quantization.utils import swap_token_dispatcher
from torchtitan.models.common import Linear
from torchtitan.models.common.moe import GroupedExperts
from torchtitan.protocols.model_spec import ModelSpec

KEPT = ("lm_head", "router.gate", "attention.qkv_linear.wk", "attention.qkv_linear.wv")
"""Stay in bf16, as torchtitan recommends: too sensitive, or too narrow to gain from it."""


class Products(NamedTuple):
    """How products are computed: `linear` replaces a layer's configuration, `experts` is torchao's of the grouped product
    (None: it stays in bf16), whose groups of tokens are padded to `padding` where the GPU's kernels ask for it."""

    linear: Callable[[Any], Linear.Config]
    experts: Any
    padding: int


def quantize(spec: ModelSpec, precision: str) -> ModelSpec:
    """The network with quantized products in its linear layers and its experts.

    precision: `float8` (e4m3, a scale a row; torchao's `rowwise`) or `mxfp8` (e4m3, a power of two a block of 32; `rceil`).
    """
    emulated = not torch.cuda.is_available()
    products = {"float8": _float8, "mxfp8": _mxfp8}[precision](emulated)
    for name, config, parent, key in list(spec.traverse(Linear.Config)):
        if not any(kept in name for kept in KEPT):
            _put(parent, key, products.linear(config))
    for _, config, parent, key in list(spec.traverse(GroupedExperts.Config)):
        if products.experts is not None:
            own = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
            _put(parent, key, _quantized(type(config)._owner).Config(**own, product=products.experts))
            if not emulated:
                swap_token_dispatcher(parent, products.padding)
    return spec


def _float8(emulated: bool) -> Products:
    scaled = dataclasses.replace(Float8LinearConfig.from_recipe_name("rowwise"), emulate=emulated)
    if not emulated:
        torch._inductor.config.emulate_precision_casts = True  # torchtitan's remedy for pytorch/pytorch#150859
    experts = None if emulated else Float8TrainingOpConfig()  # torchao's float8 grouped product is a triton kernel alone
    return Products(lambda config: Float8Linear.Config(**_sizes(config), _torchao_config=scaled), experts, padding=16)


def _mxfp8(emulated: bool) -> Products:
    kernels = KernelPreference.EMULATED if emulated else KernelPreference.AUTO
    experts = MXFP8TrainingOpConfig(kernel_preference=kernels, pad_token_groups_for_grouped_mm=emulated)
    return Products(lambda config: BlockScaledLinear.Config(**_sizes(config), kernels=kernels), experts, padding=128)


class BlockScaledLinear(MXFP8Linear):
    """torchtitan's MXFP8 layer, emulated on request."""

    @dataclass(kw_only=True, slots=True)
    class Config(MXFP8Linear.Config):
        """torchtitan's, and which kernels."""

        kernels: KernelPreference = KernelPreference.AUTO

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.kernel_preference = config.kernels


@cache
def _quantized(experts: type[GroupedExperts]) -> Any:
    """A class of experts whose grouped products are quantized.

    By the method that torchtitan's experts offer for it, not by a weight of torchao's tensor class as its float8 converter
    does: such weights would go into checkpoints.
    """

    class QuantizedExperts(experts):  # type: ignore[valid-type, misc]
        @dataclass(kw_only=True, slots=True)
        class Config(experts.Config):  # type: ignore[name-defined, misc]
            product: Any

        def __init__(self, config: Config) -> None:
            super().__init__(config)
            self.product = config.product

        def _grouped_mm(self, *, A: Tensor, B_t: Tensor, offs: Tensor) -> Tensor:  # torchtitan's argument names
            product: Tensor = _quantize_then_scaled_grouped_mm(A, B_t, config=self.product, offs=offs)
            return product

    return QuantizedExperts


def _sizes(config: Linear.Config) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(Linear.Config)}


def _put(parent: Any, key: Any, config: Any) -> None:
    if isinstance(parent, list):
        parent[key] = config
    else:
        setattr(parent, key, config)
