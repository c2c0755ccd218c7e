"""The loss on documents that the model never trained on."""

from dataclasses import dataclass

import torch

from rnd1lib.diffusion import IGNORE, Draws, corrupt, cross_entropy, denominator, uncorrupted
from rnd1lib.kinds import Batch, Component, ModelInTraining, Noised

HELD_OUT_SEED = 0x5EED  # not the run's: arms with other seeds are compared on the same masks


@dataclass(frozen=True, kw_only=True)
class Nll:
    """Held-out loss in nats a token: the recipe's own objective, on masks that are the same at every step and in every run.

    For a masked diffusion objective with `weight: schedule` it is a Monte-Carlo estimate of the bound on the negative log-
    likelihood (Sahoo et al. 2024, eq. 10); for `autoregressive` the negative log-likelihood itself.
    """

    data: Component["data"] | None = None  # type: ignore[type-arg, name-defined]  # a kind, no forward reference
    """Where the documents come from; null: those that the run holds out of its own data."""
    rows: int = 64
    """How many packed rows."""

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise ValueError(f"rows: {self.rows} is below 1.")

    def evaluate(self, model: ModelInTraining, *, step: int) -> dict[str, float]:
        """{"nll": nats a token}, equal on every rank; float64 sums."""
        total = torch.zeros(2, dtype=torch.float64)
        for first_row, batch in model.held_out(self.rows, self.data):
            noised = self._noised(model, batch, first_row)
            targets = model.objective.targets(batch, noised)
            scored_BL = (targets.labels_BL != IGNORE) & (targets.weights_BL != 0)
            logits_NV = model.logits(noised.ids_BL, rows_BL=scored_BL, documents_BL=batch.documents_BL)
            mask_token_id = model.mask_token_id if model.objective.corrupts else None
            losses_N = cross_entropy(logits_NV, targets.labels_BL[scored_BL], mask_token_id)
            total[0] += (losses_N.double() * targets.weights_BL[scored_BL]).sum().cpu()
            total[1] += denominator(model.objective, batch, noised).cpu()
        summed, count = model.sum(total).tolist()
        return {"nll": summed / max(count, 1.0)}

    def _noised(self, model: ModelInTraining, batch: Batch, first_row: int) -> Noised:
        if not model.objective.corrupts or model.noise is None:
            return uncorrupted(batch)
        draws = Draws(seed=HELD_OUT_SEED, step=0, first_row=first_row, global_rows=self.rows)
        return corrupt(batch, model.noise, draws, model.mask_token_id)
