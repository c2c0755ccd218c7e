"""From the causal mask to the bidirectional one by a band that widens."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from rnd1_plugins.attention_masks.opening import Opening

if TYPE_CHECKING:
    from rnd1lib.kinds.attention_mask import MaskMod

DOUBLINGS = 16  # 2**16 positions: beyond the rows of any training here


@dataclass(frozen=True, kw_only=True)
class BandAnnealing(Opening):
    """Opens the future from the near to the far, without chance: the deterministic counterpart of `annealing`.

    A token sees what stands before it and the next w(s) places. The band doubles sixteen times over `steps`, in a straight
    line between two doublings, since the rule does not know how long a document is: 0 places at first, about 2^(16 r) - 1
    after the share r of the steps, all of them from step steps - 1 on.
    """

    def mask_mod(self, step: Tensor) -> "MaskMod":
        """kv <= q + w(step), in integers: every device has the same band."""
        done = DOUBLINGS * (step + 1).clamp(max=self.steps)
        doublings, rest = done // self.steps, done % self.steps
        width = 2**doublings * (self.steps + rest) // self.steps - 1
        return lambda b, h, q, kv: kv <= q + width
