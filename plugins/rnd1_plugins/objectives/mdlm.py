"""Masked diffusion without a shift."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from rnd1_plugins.objectives.router_losses import RouterLosses
from rnd1lib.diffusion import masked_targets
from rnd1lib.kinds import Batch, Noised, Targets


@dataclass(frozen=True, kw_only=True)
class Mdlm(RouterLosses):
    """Logit row i predicts token i wherever token i is masked: LLaDA's and MDLM's convention.

    L = E[ w(t) sum_i masked_i * -log p(x0_i | xt) ] (Sahoo et al. 2024, eq. 10; the RND1 report, eq. 1).
    """

    shift: ClassVar[Literal[0, 1]] = 0
    corrupts: ClassVar[bool] = True

    weight: Literal["schedule", "uniform", "mean", "cart"] = "schedule"
    """`schedule`: the weight of the bound; `uniform`: 1; `mean`: of each row, over its masked tokens; `cart`: by how much of
    a token's neighbourhood is visible (Dream's context-adaptive reweighting; no bound)."""
    cart_p: float = 0.1
    """Of `cart`: a visible token at distance d adds p (1 - p)^(d - 1) / 2, so a larger p looks less far; in (0, 1]."""
    normalise: Literal["maskable", "masked", "answer"] = "maskable"
    """Divide by the global batch's maskable or masked tokens, or by its rows, each over its answer's length (LLaDA's SFT)."""
    eos: Literal["each", "as_one"] = "each"
    """`as_one`: the run of end-of-text tokens that closes a document is masked as a whole or not at all, so that those of
    them that are visible do not tell where an answer ends (Dream-Coder)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.cart_p <= 1:
            raise ValueError(f"cart_p: {self.cart_p} is outside (0, 1].")

    @property
    def counts(self) -> Literal["maskable", "masked", "rows"]:
        """The denominator; a mean over each row's tokens leaves the rows to count."""
        return "rows" if self.normalise == "answer" or self.weight == "mean" else self.normalise

    def targets(self, batch: Batch, noised: Noised) -> Targets:
        """The masked tokens, each at the row that predicts it."""
        return masked_targets(batch, noised, shift=self.shift, weight=self.weight, normalise=self.normalise, cart_p=self.cart_p)
