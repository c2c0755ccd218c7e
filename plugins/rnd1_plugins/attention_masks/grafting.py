"""Grafting: causal diffusion first, then bidirectional attention in its place."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch.nn.functional as F
from torch import Tensor

from rnd1lib.kinds import Pattern

if TYPE_CHECKING:
    from rnd1lib.kinds import RunBeforeStep
    from rnd1lib.kinds.attention_mask import MaskMod

ERRORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"l2": F.mse_loss, "huber": F.huber_loss, "l1": F.l1_loss}


@dataclass(frozen=True, kw_only=True)
class Grafting:
    """Trains a causal diffusion model, then replaces its attention by a bidirectional one, then goes on.

    Steps 0 to after - 1 are diffusion under the causal mask. Before step `after` every layer's attention operator becomes
    bidirectional, with the parameters of its causal teacher; a checkpoint is written there. Steps `after` to
    after + fit_steps - 1 fit it: each layer minimises error(student(x), teacher(x)), outputs in units of the teacher's root
    mean square, with the inputs x that the teacher had on `fit_rows` rows, all layers at once, attention parameters only; such
    a step reads no training rows. Source: the RND1 report, section 3.2, after Chandrasegaran et al. 2025, "Exploring Diffusion
    Transformer Designs via Grafting"; the report states neither `after` nor how it fitted.
    """

    after: int
    """Steps of the causal stage; at least 1."""
    fit_steps: int = 0
    """Steps of the fit, counted like any others; 0: the operators are swapped as they are."""
    fit_loss: Literal["l2", "huber", "l1"] = "l2"
    """Mean squared, Huber (delta 1) or mean absolute difference of the outputs in those units."""
    fit_rows: int = 1024
    """Rows that the teacher's outputs are kept of, a multiple of a step's rows; the fit goes round them."""

    def __post_init__(self) -> None:
        for option, least in (("after", 1), ("fit_steps", 0), ("fit_rows", 1)):
            if getattr(self, option) < least:
                raise ValueError(f"{option}: {getattr(self, option)} is below {least}.")

    def pattern(self, step: int) -> Pattern:
        """`causal` before step `after`, `full` from it on."""
        return "causal" if step < self.after else "full"

    def mask_mod(self, step: Tensor) -> "MaskMod":
        """kv <= q, or everything from step `after` on."""
        return lambda b, h, q, kv: (kv <= q) | (step >= self.after)

    def before_step(self, run: "RunBeforeStep") -> None:
        """Saves at the swap; makes the steps behind it fits."""
        fitted = self.after + self.fit_steps
        if run.step == self.after:
            run.save()
        if self.after <= run.step < fitted:
            run.fit(run.capture(self.fit_rows, at=self.after, until=fitted), ERRORS[self.fit_loss])
