"""The loss on documents that the model never trained on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from rnd1_plugins.noise.linear import Linear
from rnd1lib.diffusion import IGNORE, Draws, corrupt, cross_entropy, masked_targets, uncorrupted
from rnd1lib.kinds import Batch, Component, ModelInTraining, Targets

HELD_OUT_SEED = 0x5EED  # not the run's: arms with other seeds are compared on the same masks


@dataclass(frozen=True, kw_only=True)
class Nll:
    """Held-out negative log-likelihood in nats a token, by one yardstick for every run: what a run trains on plays no part.

    For a masked diffusion model the Monte-Carlo estimate of the bound (Sahoo et al. 2024, eq. 10) under the linear schedule,
    whatever noise and weights the recipe has, since the bound does not depend on the schedule; the masks are the same at every
    step and in every run. For `autoregressive` the negative log-likelihood itself.
    """

    data: Component["data"] | None = None  # type: ignore[type-arg, name-defined]  # a kind, no forward reference
    """Where the documents come from; null: those that the run holds out of its own data."""
    rows: int = 64
    """How many packed rows."""

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise ValueError(f"rows: {self.rows} is below 1.")

    def evaluate(self, model: ModelInTraining, *, step: int) -> dict[str, float]:
        """{"nll": nats a maskable token}, equal on every rank; float64 sums."""
        total = torch.zeros(2, dtype=torch.float64)
        for first_row, batch in model.held_out(self.rows, self.data):
            ids_BL, targets = self._task(model, batch, first_row)
            scored_BL = (targets.labels_BL != IGNORE) & (targets.weights_BL != 0)
            logits_NV = model.training_logits(ids_BL, batch, scored_BL)
            mask_token_id = model.mask_token_id if model.objective.corrupts else None
            losses_N = cross_entropy(logits_NV, targets.labels_BL[scored_BL], mask_token_id)
            total[0] += (losses_N.double() * targets.weights_BL[scored_BL]).sum().cpu()
            total[1] += batch.maskable_BL.sum().cpu()
        summed, count = model.sum(total).tolist()
        return {"nll": summed / max(count, 1.0)}

    def _task(self, model: ModelInTraining, batch: Batch, first_row: int) -> tuple[Tensor, Targets]:
        """What the model reads, and what it is scored on."""
        if not model.objective.corrupts:
            targets = model.objective.targets(batch, uncorrupted(batch))
            return batch.ids_BL, targets._replace(weights_BL=(targets.weights_BL != 0).float())
        draws = Draws(seed=HELD_OUT_SEED, step=0, first_row=first_row, global_rows=self.rows)
        noised = corrupt(batch, Linear(), draws, model.mask_token_id)
        shift = model.objective.shift
        return noised.ids_BL, masked_targets(batch, noised, shift=shift, weight="schedule", normalise="maskable")
