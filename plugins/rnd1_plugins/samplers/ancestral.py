"""The reverse process itself."""

from __future__ import annotations

from dataclasses import dataclass

from rnd1_plugins.samplers.options import SamplerOptions
from rnd1lib.kinds import Decision, View


@dataclass(frozen=True, kw_only=True)
class Ancestral(SamplerOptions):
    """Each mask is filled alone with probability 1 - (1 - alpha(s)) / (1 - alpha(t)), with a token drawn from the model.

    The times go from 1 to 0 in equal steps on the schedule that the model was trained with. At temperature 1 samples follow
    the model's law the closer the more steps there are, since fewer positions are then filled at once; a step whose draws
    fill nothing asks the model nothing. Source: Sahoo et al. 2024, section 3.3 (`ddpm_cache` of MDLM's code).
    """

    parity: None = None
    """No peer differs."""

    def decide(self, view: View) -> Decision:
        """Commits where the draw says so."""
        return Decision(view.uniform("commit") >= view.stay_B[view.sequence_N], None)
