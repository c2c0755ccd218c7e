"""Variable length: a few training rows are cut short, so that the model meets texts of every length."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rnd1lib.diffusion.draws import Draws
from rnd1lib.kinds import Batch


@dataclass(frozen=True, kw_only=True)
class VariableLength:
    """With probability `share` a row is cut to a length uniform in [shortest, L]: LLaDA's 1 % from 1, LLaDA-MoE's from 8."""

    share: float = 0.01
    """The probability that a row is cut."""
    shortest: int = 1
    """The least that a cut leaves, in tokens."""

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share: {self.share} is outside [0, 1].")
        if self.shortest < 1:
            raise ValueError(f"shortest: {self.shortest} is less than one token.")


def cut(batch: Batch, law: VariableLength, draws: Draws, pad_token_id: int) -> Batch:
    """The batch with some rows cut: what lies behind becomes padding, a document of its own that nothing is asked about.

    Whether and where a row is cut depends on (draws.seed, draws.step, global row) alone. `law.shortest` is at most L.
    Nie et al. 2025, "Large Language Diffusion Models", section 2.2.
    """
    rows, width = batch.ids_BL.shape
    device = batch.ids_BL.device
    is_cut_B1 = draws.uniform("cut", rows, 1, device=device) < law.share
    length_B1 = law.shortest + draws.integers("length", rows, 1, width - law.shortest + 1, device=device)
    places_L = torch.arange(width, device=device)
    behind_BL = is_cut_B1 & (places_L >= length_B1)
    return Batch(
        ids_BL=batch.ids_BL.masked_fill(behind_BL, pad_token_id),
        maskable_BL=batch.maskable_BL & ~behind_BL,
        documents_BL=torch.where(behind_BL, batch.documents_BL.amax(1, keepdim=True) + 1, batch.documents_BL),
        positions_BL=torch.where(behind_BL, places_L - length_B1, batch.positions_BL),
    )
