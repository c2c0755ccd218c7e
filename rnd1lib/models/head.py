"""The LM head that scores chosen rows alone: logits exist a chunk at a time, so the full [B, L, V] tensor never does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torchtitan.models.common import Linear


class ScoringHead(Linear):
    """torchtitan's output layer: logits, or with labels the summed weighted cross entropy of N rows.

    Under FSDP every rank calls it once a micro-batch, with any number of rows, none included; a call gathers the weight.
    """

    @dataclass(kw_only=True, slots=True)
    class Config(Linear.Config):
        """torchtitan's, and how many rows have logits at a time."""

        chunk: int = 256

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.chunk = config.chunk

    def forward(
        self,
        input: Tensor,  # noqa: A002 - torchtitan's sharding wraps the argument by this name
        *,
        labels: Tensor | None = None,
        weights: Tensor | None = None,
        never: int | None = None,
    ) -> Tensor:
        """Hidden states [..., width] -> logits [..., V]; with `labels` [N] int64, a 0-d float32 loss.

        loss = sum_n weights_n * -log softmax(input_n W^T)[labels_n], softmax and sum in float32; weights [N] default to 1.
        `never` is a token that is never predicted: its logit counts as -inf.
        """
        if labels is None:
            return super().forward(input)
        if weights is None:
            weights = torch.ones_like(labels, dtype=torch.float32)
        loss: Tensor = _ChunkedCrossEntropy.apply(input, self.weight, labels, weights.float(), self.chunk, never)
        return loss


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Makes the gradients while the logits of a chunk are at hand; `backward` only scales them."""

    @staticmethod
    def forward(
        ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, labels_N: Tensor, weights_N: Tensor, chunk: int, never: int | None
    ) -> Tensor:
        wants_hidden, wants_weight = ctx.needs_input_grad[:2]
        grad_hidden_ND = torch.empty_like(hidden_ND) if wants_hidden else None
        grad_weight_VD = torch.zeros_like(weight_VD, dtype=torch.float32) if wants_weight else None
        total = torch.zeros((), dtype=torch.float32, device=hidden_ND.device)
        for start in range(0, len(hidden_ND), chunk):
            rows = slice(start, start + chunk)
            logits_CV = (hidden_ND[rows] @ weight_VD.T).float()
            if never is not None:
                logits_CV[:, never] = -torch.inf
            loss, grad_CV = _cross_entropy(logits_CV, labels_N[rows], weights_N[rows])
            total += loss
            grad_CV = grad_CV.to(hidden_ND.dtype)
            if grad_hidden_ND is not None:
                grad_hidden_ND[rows] = grad_CV @ weight_VD
            if grad_weight_VD is not None:
                grad_weight_VD += grad_CV.T @ hidden_ND[rows]
        ctx.save_for_backward(grad_hidden_ND, None if grad_weight_VD is None else grad_weight_VD.to(weight_VD.dtype))
        return total

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        grad_hidden_ND, grad_weight_VD = ctx.saved_tensors
        scaled = [None if made is None else made * grad for made in (grad_hidden_ND, grad_weight_VD)]
        return (*scaled, None, None, None, None)


def _cross_entropy(logits_CV: Tensor, labels_C: Tensor, weights_C: Tensor) -> tuple[Tensor, Tensor]:
    """The weighted sum and its gradient with respect to the logits, whose memory the gradient takes over."""
    log_normaliser_C1 = logits_CV.logsumexp(-1, keepdim=True)
    loss_C = log_normaliser_C1[:, 0] - logits_CV.gather(1, labels_C[:, None])[:, 0]
    grad_CV = logits_CV.sub_(log_normaliser_C1).exp_()
    grad_CV.scatter_add_(1, labels_C[:, None], torch.full_like(log_normaliser_C1, -1.0))
    return (loss_C * weights_C).sum(), grad_CV.mul_(weights_C[:, None])
