"""P2: what was committed may be masked again when the model comes to doubt it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rnd1_plugins.samplers.options import SamplerOptions
from rnd1lib.diffusion.ranking import counts, ranks
from rnd1lib.kinds import Decision, View


@dataclass(frozen=True, kw_only=True)
class P2(SamplerOptions):
    """Looks at every generated position at every step, keeps the surest and masks the others, old ones too.

    After step k of N the floor(M (N - k) / N) least sure of a block's M positions are masked; a masked one that is kept
    gets its token, a committed one keeps its own. The confidence is the plain probability of the token that is drawn there
    now. Source: Peng et al. 2025, "Path Planning for Masked Diffusion Model Sampling" (self-planning);
    Open-dLLM.
    """

    parity: None = None
    """No peer differs."""

    def decide(self, view: View) -> Decision:
        """Commits the surest, masks the least sure again."""
        scores = view.scores(self.temperature, self.top_k, self.top_p, where="generated")
        row_G, place_G = view.generated_BL.nonzero(as_tuple=True)
        masked_G = _masked_BL(view)[row_G, place_G]
        generated_B = counts(row_G, len(view.ids_BL))
        stay_B = generated_B * (view.steps - view.step - 1) // view.steps
        again_G = ranks(-scores.plain_log_prob, row_G) < stay_B[row_G]
        remask_BL = torch.zeros_like(view.generated_BL)
        remask_BL[row_G, place_G] = again_G
        return Decision(~again_G[masked_G], scores.token[masked_G], remask_BL)


def _masked_BL(view: View) -> Tensor:
    masked_BL = torch.zeros_like(view.generated_BL)
    masked_BL[view.sequence_N, view.position_N] = True
    return masked_BL
