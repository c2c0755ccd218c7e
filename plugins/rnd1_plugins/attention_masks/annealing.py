"""From the causal mask to the bidirectional one, a random entry at a time."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from rnd1_plugins.attention_masks.opening import Opening
from rnd1lib.diffusion import hash_uniform

if TYPE_CHECKING:
    from rnd1lib.kinds.attention_mask import MaskMod


@dataclass(frozen=True, kw_only=True)
class Annealing(Opening):
    """Opens the future at random, more of it at every step, so that an autoregressive model is not changed all at once.

    At step s a token sees what stands before it, and each later place with probability (s + 1) / steps, drawn anew at every
    step as a function of (seed, step, q, kv): the same for all rows, heads, layers and ranks, and after a resume. From step
    steps - 1 on it is the bidirectional mask. Source: DiffuLLaMA (Gong et al. 2024, "Scaling Diffusion Language Models via
    Adaptation from Autoregressive Models", attention mask annealing); Dream.
    """

    seed: int = 0
    """Of the draws; recipes set `${train.seed}`."""

    def mask_mod(self, step: Tensor) -> "MaskMod":
        """kv <= q, or a draw below the step's rate."""
        rate = (step + 1) / self.steps
        return lambda b, h, q, kv: (kv <= q) | (hash_uniform(self.seed, "opened", step, q, kv) < rate)
