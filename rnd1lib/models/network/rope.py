"""Rotary positions: torchtitan's cache of cosines and sines, and Llama 3.1's stretched wavelengths."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor
from torchtitan.models.common import CosSinRoPE

from rnd1lib.models.config.dimensions import Llama3Scaling


class Rotation(CosSinRoPE):
    """torchtitan's RoPE by halves, which knows of scaled frequencies only YaRN's."""

    @dataclass(kw_only=True, slots=True)
    class Config(CosSinRoPE.Config):
        """torchtitan's, and Llama 3.1's scaling."""

        stretch: Llama3Scaling | None = None

    config: Config

    def _precompute_cache(self) -> Tensor:
        if self.config.stretch is None:
            return super()._precompute_cache()
        exponents = torch.arange(0, self.config.dim, 2).float() / self.config.dim
        frequencies = stretched(1.0 / self.config.theta**exponents, self.config.stretch)
        angles = torch.outer(torch.arange(self.config.max_seq_len).float(), frequencies).repeat(1, 2)
        return torch.cat([angles.cos(), angles.sin()], dim=-1)


def stretched(frequencies: Tensor, scaling: Llama3Scaling) -> Tensor:
    """Radians a position, of wavelengths that the first training did not see whole divided by `factor`.

    Between the two bounds the division fades in (Llama 3.1, Dubey et al. 2024; as transformers' `llama3`).
    """
    turns = scaling.positions * frequencies / (2 * pi)  # of each frequency in the positions of the first training
    kept = ((turns - scaling.low) / (scaling.high - scaling.low)).clamp(0, 1)
    return kept * frequencies + (1 - kept) * frequencies / scaling.factor
