"""What every objective may ask of a mixture's routers besides."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class RouterLosses:
    """The two auxiliary losses of a mixture of experts, over all tokens of a micro-batch, masked, visible and padding.

    balance: E sum_i f_i P_i, with f_i the share of the tokens that are routed to expert i and P_i its mean probability
    (Fedus et al. 2021, "Switch Transformers", eq. 4). The f_i sum to the k experts of a token, so k is the value of an even
    load, as in transformers' `load_balancing_loss_func`. z: the mean of logsumexp(logits)^2 (Zoph et al. 2022, "ST-MoE",
    eq. 5). LLaDA-MoE trains with both.
    """

    balance: float = 0.0
    """Coefficient of the load-balancing loss of each layer's router (transformers' default for Qwen3-MoE: 0.001); 0: none."""
    z: float = 0.0
    """Coefficient of the z loss, which keeps each router's logits small; 0: none."""

    def __post_init__(self) -> None:
        for name, value in (("balance", self.balance), ("z", self.z)):
            if not 0 <= value < float("inf"):
                raise ValueError(f"{name}: {value} is not a finite number of 0 or more.")

    def auxiliary(self, logits_NE: Tensor, chosen_NK: Tensor) -> dict[str, Tensor]:
        """The losses of one layer whose coefficient is not 0, each before it is multiplied by it."""
        losses = {}
        if self.balance:
            losses["balance"] = load_balance(logits_NE, chosen_NK)
        if self.z:
            losses["z"] = logits_NE.logsumexp(-1).square().mean()
        return losses


def load_balance(logits_NE: Tensor, chosen_NK: Tensor) -> Tensor:
    """E sum_i f_i P_i as a 0-d tensor; its gradient flows through the probabilities alone, since f is a count."""
    chosen_NE = torch.zeros_like(logits_NE).scatter(-1, chosen_NK, 1.0)  # no bincount, whose shape no compiler can foresee
    return logits_NE.shape[-1] * (chosen_NE.mean(0) * logits_NE.softmax(-1).mean(0)).sum()
