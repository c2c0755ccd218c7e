"""Next-token prediction: the base of offline studies, and the baseline."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from rnd1_plugins.objectives.router_losses import RouterLosses
from rnd1lib.diffusion import IGNORE, document_starts, to_rows
from rnd1lib.kinds import Batch, Noised, Targets


@dataclass(frozen=True, kw_only=True)
class Autoregressive(RouterLosses):
    """Every maskable token is predicted from its left; nothing is masked. Use it with the causal attention mask."""

    shift: ClassVar[Literal[0, 1]] = 1
    corrupts: ClassVar[bool] = False

    normalise: Literal["maskable", "answer"] = "maskable"
    """The global batch's maskable tokens, or its rows with each row over its answer's length."""

    @property
    def counts(self) -> Literal["maskable", "masked", "rows"]:
        """The denominator."""
        return "rows" if self.normalise == "answer" else "maskable"

    def targets(self, batch: Batch, noised: Noised) -> Targets:
        """Every maskable token but the first of a document, at the row on its left, with weight 1."""
        scored_BL = batch.maskable_BL & ~document_starts(batch.documents_BL)
        weights_BL = scored_BL.float()
        if self.normalise == "answer":
            weights_BL = weights_BL / batch.maskable_BL.sum(1, keepdim=True).clamp(min=1)
        labels_BL = torch.where(scored_BL, batch.ids_BL, IGNORE)
        return Targets(to_rows(labels_BL, self.shift, IGNORE), to_rows(weights_BL, self.shift, 0.0))
