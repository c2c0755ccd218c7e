"""Masked diffusion that keeps the autoregressive head's job."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from rnd1_plugins.objectives.mdlm import Mdlm


@dataclass(frozen=True, kw_only=True)
class A2dShift(Mdlm):
    """Logit row i predicts token i + 1 wherever token i + 1 is masked, so an autoregressive checkpoint is a good start.

    The RND1 report's eq. 2 with the target x0_{i+1}, as in its released sampler, Dream and DiffuLLaMA (Gong et al. 2024).
    The first token of a document has no left neighbour: it is never masked in training and never scored.
    """

    shift: ClassVar[Literal[0, 1]] = 1
