"""How far each learning-rate group has come from where the run began."""

from dataclasses import dataclass
from typing import ClassVar

from rnd1lib.kinds import ModelInTraining


@dataclass(frozen=True, kw_only=True)
class Moved:
    """The root mean square and the largest |w - w0| of each learning-rate group's weights, w0 those that the run began with.

    Shows what a low rate costs or keeps: a frozen group stays at 0, one at 1e-8 drifts by at most 1e-8 a step. Measured on a
    sample of each weight matrix. A resumed run reads its initial weights again to have w0.
    """

    from_the_beginning: ClassVar[bool] = True

    def evaluate(self, model: ModelInTraining, *, step: int) -> dict[str, float]:
        """{GROUP_rms, GROUP_max} for each group."""
        return model.moved()
