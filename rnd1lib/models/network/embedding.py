"""The embedding table whose mask token's row is a parameter of its own, so that it can learn while the table is frozen."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torchtitan.models.common import Embedding


class MaskRowEmbedding(Embedding):
    """torchtitan's Embedding with `mask_row` [width] in the place of row `mask_token_id`.

    A gradient mask on the table would not do: weight decay and momentum would still move the frozen rows.
    """

    @dataclass(kw_only=True, slots=True)
    class Config(Embedding.Config):
        """torchtitan's, and which row is the mask token's."""

        mask_token_id: int

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.mask_token_id = config.mask_token_id
        self.mask_row = nn.Parameter(torch.empty(config.embedding_dim))

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torchtitan's sharding wraps the argument by this name
        """ids [B, L] -> [B, L, width]."""
        row = self.mask_row.to_local() if isinstance(self.mask_row, DTensor) else self.mask_row
        hidden_BLD: Tensor = super().forward(input)
        return torch.where((input == self.mask_token_id).unsqueeze(-1), row.to(hidden_BLD.dtype), hidden_BLD)
