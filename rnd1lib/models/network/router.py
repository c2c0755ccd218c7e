"""The router of a mixture of experts, to which a training step may attach losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torchtitan.models.common.moe import TokenChoiceTopKRouter

from rnd1lib.kinds import Objective
from rnd1lib.models.network.attached_loss import with_loss


class Router(TokenChoiceTopKRouter):
    """torchtitan's router; while an objective is attached, the backward pass takes its auxiliary losses along.

    The losses hang on the scores that the experts are weighted with, so they need no way out of the network, and
    recomputation, which runs the forward twice but the backward once, counts them once.
    """

    @dataclass(kw_only=True, slots=True)
    class Config(TokenChoiceTopKRouter.Config):
        """torchtitan's."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.objective: Any = None
        self.share = 1.0
        self.losses: dict[str, Tensor] = {}
        self._logits_BLE: Tensor | None = None
        self.gate.register_forward_hook(self._keep_logits)

    def attach(self, objective: Objective, share: float) -> None:
        """From now on `objective.auxiliary` is asked in each forward; share: of this micro-batch in the step's mean."""
        self.objective, self.share = objective, share

    def detach(self) -> dict[str, Tensor]:
        """Leaves the losses out again; returns the last forward's, as they are before any coefficient (0-d, no graph)."""
        losses, self.objective, self.losses = self.losses, None, {}
        return losses

    def forward(self, x_BLD: Tensor, expert_bias_E: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Scores and numbers of the chosen experts [B, L, K], and all scores [B, L, E]."""
        scores_BLK, chosen_BLK, scores_BLE = super().forward(x_BLD, expert_bias_E)
        if self.objective is not None:
            scores_BLK = self._with_losses(scores_BLK, chosen_BLK)
        return scores_BLK, chosen_BLK, scores_BLE

    def _keep_logits(self, gate: nn.Module, inputs: Any, logits_BLE: Tensor) -> None:
        if self.objective is not None:
            self._logits_BLE = logits_BLE

    def _with_losses(self, scores_BLK: Tensor, chosen_BLK: Tensor) -> Tensor:
        logits_BLE, self._logits_BLE = self._logits_BLE, None
        assert logits_BLE is not None
        losses = self.objective.auxiliary(logits_BLE.flatten(0, 1).float(), chosen_BLK.flatten(0, 1))
        self.losses = {name: loss.detach() for name, loss in losses.items()}  # a second forward of recomputation says the same
        for name, loss in losses.items():
            weighted = loss * (getattr(self.objective, name) * self.share)
            scores_BLK = with_loss(scores_BLK, weighted)
        return scores_BLK
