"""How many positions a step commits where the number is fixed beforehand."""

from __future__ import annotations

from torch import Tensor

from rnd1lib.kinds import View


def even_quota(view: View) -> Tensor:
    """[B] int64: M // N of a block's M masks at each of N steps, and one more in the first M mod N."""
    masked_B = view.masked_at_start_B
    return masked_B // view.steps + (view.step < masked_B % view.steps)
