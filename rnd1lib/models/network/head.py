"""The LM head that scores chosen rows alone: logits exist a chunk at a time, so the full [B, L, V] tensor never does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torchtitan.models.common import Linear

from rnd1lib.models.network.liger import fused_cross_entropy


class ScoringHead(Linear):
    """torchtitan's output layer: logits, or with labels the summed weighted cross entropy of N rows.

    Under FSDP every rank calls it once a micro-batch, with any number of rows, none included; a call gathers the weight.
    """

    @dataclass(kw_only=True, slots=True)
    class Config(Linear.Config):
        """torchtitan's, how many rows have logits at a time, and who computes the loss: `chunked` (here) or `liger`."""

        chunk: int = 256
        loss: Literal["chunked", "liger"] = "chunked"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.chunk, self.loss = config.chunk, config.loss

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
        if self.loss == "liger" and len(labels):
            return fused_cross_entropy(input, self.weight, labels, weights.float(), never)
        apply: Callable[..., Tensor] = _ChunkedCrossEntropy.apply
        return apply(input, self.weight, labels, weights.float(), self.chunk, never)


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Makes the gradients while the logits of a chunk are at hand; `backward` only scales them."""

    @staticmethod
    def forward(
        ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, labels_N: Tensor, weights_N: Tensor, chunk: int, never: int | None
    ) -> Tensor:
        wants_hidden, wants_weight = ctx.needs_input_grad[:2]
        grad_hidden_ND = torch.empty_like(hidden_ND) if wants_hidden else None
        grad_weight_VD = torch.zeros_like(weight_VD, dtype=torch.float32) if wants_weight else None
        loss = torch.zeros((), dtype=torch.float32, device=hidden_ND.device)
        for start in range(0, len(hidden_ND), chunk):
            rows = slice(start, start + chunk)
            log_p_CV = _log_probabilities(hidden_ND[rows] @ weight_VD.T, never)
            loss -= (log_p_CV.gather(1, labels_N[rows, None])[:, 0] * weights_N[rows]).sum()
            if not (wants_hidden or wants_weight):
                continue
            grad_CV = _gradient(log_p_CV, labels_N[rows], weights_N[rows]).to(hidden_ND.dtype)
            if grad_hidden_ND is not None:
                grad_hidden_ND[rows] = grad_CV @ weight_VD
            if grad_weight_VD is not None:
                grad_weight_VD += grad_CV.T @ hidden_ND[rows]
        ctx.save_for_backward(grad_hidden_ND, None if grad_weight_VD is None else grad_weight_VD.to(weight_VD.dtype))
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        scaled = [None if made is None else made * grad for made in ctx.saved_tensors]
        return (*scaled, None, None, None, None)


def _log_probabilities(logits_CV: Tensor, never: int | None) -> Tensor:
    """float32, in the memory of the logits where they are that already."""
    logits_CV = logits_CV.float()
    if never is not None:
        logits_CV[:, never] = -torch.inf
    return logits_CV.sub_(logits_CV.logsumexp(-1, keepdim=True))


def _gradient(log_p_CV: Tensor, labels_C: Tensor, weights_C: Tensor) -> Tensor:
    """Of the weighted loss with respect to the logits: weight * (p - onehot), in the memory of `log_p_CV`."""
    grad_CV = log_p_CV.exp_()
    grad_CV[torch.arange(len(labels_C), device=labels_C.device), labels_C] -= 1
    return grad_CV.mul_(weights_C[:, None])
