"""The scored rows' cross entropy by liger-kernel's fused triton kernels, an optional package for GPUs."""

from __future__ import annotations

import torch
from torch import Tensor


def fused_cross_entropy(hidden_ND: Tensor, weight_VD: Tensor, labels_N: Tensor, weights_N: Tensor, never: int | None) -> Tensor:
    """sum_n weights_n * -log softmax(hidden_n W^T)[labels_n], a 0-d float32 tensor; logits exist a chunk at a time. N > 0.

    never: a token whose logit counts as -inf, by a bias that is 0 elsewhere. The weights of the rows are applied to the losses
    that `reduction="none"` gives; liger then computes the logits again in the backward pass. Weight gradients are summed in
    float32. With liger-kernel 0.6 the weight gradient would lose the rows' weights: the extra pins a version
    that is known to be right.
    """
    from liger_kernel.ops.fused_linear_cross_entropy import LigerFusedLinearCrossEntropyFunction

    bias_V = None
    if never is not None:
        bias_V = hidden_ND.new_zeros(len(weight_VD))
        bias_V[never] = -torch.inf
    losses_N = LigerFusedLinearCrossEntropyFunction.apply(
        hidden_ND,
        weight_VD,
        labels_N,
        bias_V,
        None,  # class weights
        -100,  # ignored label: no scored row has it
        0.0,  # z-loss
        0.0,  # label smoothing
        "none",
        None,  # soft cap
        False,  # z-loss returned
        torch.float32,  # of the weight gradient's sum
    )[0]
    summed: Tensor = (losses_N * weights_N).sum()
    return summed
