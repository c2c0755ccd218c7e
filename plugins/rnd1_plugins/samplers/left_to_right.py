"""Autoregressive decoding by the same loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rnd1_plugins.samplers.options import SamplerOptions
from rnd1_plugins.samplers.quota import even_quota
from rnd1lib.diffusion.ranking import ranks
from rnd1lib.kinds import Decision, View


@dataclass(frozen=True, kw_only=True)
class LeftToRight(SamplerOptions):
    """Commits the leftmost masks, one a step unless `steps` says fewer steps.

    With a causal model of shift 1 and one token a step this is autoregressive decoding exactly: the row on the left of a
    mask has seen all before it and nothing else; with `cache="block"` each token is run once; the model needs no mask token
    then. Any other model fills the same places in the same order, with the masks on their right in view.
    """

    in_order: ClassVar[bool] = True
    """Nothing is filled in before what is on its left."""
    parity: None = None
    """No peer differs."""

    def decide(self, view: View) -> Decision:
        """Commits the leftmost share."""
        return Decision(ranks(-view.position_N, view.sequence_N) < even_quota(view)[view.sequence_N], None)
