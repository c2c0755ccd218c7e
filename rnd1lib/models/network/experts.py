"""Experts that compute in the dtype that the recipe asks for; torchtitan's own always compute in bfloat16."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributed.tensor import DTensor
from torchtitan.models.common.moe import GroupedExperts

WHOLE_BYTES = 16
"""Grouped products read rows that begin at multiples of it."""


class Experts(GroupedExperts):
    """SwiGLU experts as grouped matrix products: R routed tokens, sorted by expert."""

    @dataclass(kw_only=True, slots=True)
    class Config(GroupedExperts.Config):
        """torchtitan's, and the dtype of the products."""

        compute_dtype: str = "float32"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.compute_dtype: torch.dtype = getattr(torch, config.compute_dtype)

    def forward(self, x_RD: Tensor, num_tokens_per_expert_E: Tensor) -> Tensor:  # torchtitan's argument names
        """[R, width] -> [R, width], in the dtype of `x_RD`."""
        ends_E = torch.cumsum(num_tokens_per_expert_E, dim=0, dtype=torch.int32)
        x = x_RD.to(self.compute_dtype)
        gate_RF = self._grouped_mm(A=x, B_t=self._transposed(self.w1_EFD), offs=ends_E)
        up_RF = self._grouped_mm(A=x, B_t=self._transposed(self.w3_EFD), offs=ends_E)
        return self._grouped_mm(A=F.silu(gate_RF) * up_RF, B_t=self._transposed(self.w2_EDF), offs=ends_E).to(x_RD.dtype)

    def _grouped_mm(self, *, A: Tensor, B_t: Tensor, offs: Tensor) -> Tensor:  # torchtitan's argument names
        """torchtitan's; an expert at a time where the rows of odd widths lie so that grouped kernels refuse them."""
        if all(width * A.element_size() % WHOLE_BYTES == 0 for width in B_t.shape[1:]):
            return super()._grouped_mm(A=A, B_t=B_t, offs=offs)
        parts = A.tensor_split(offs[:-1].long().cpu())
        return torch.cat([part @ expert for part, expert in zip(parts, B_t, strict=True)])

    def _transposed(self, weight: Tensor) -> Tensor:
        local = weight.to_local() if isinstance(weight, DTensor) else weight
        return local.to(self.compute_dtype).transpose(-2, -1)
