"""What the sampling loop tells an observer after each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class Step(NamedTuple):
    """The canvases after a step and what it committed, on the CPU.

    number: from 0, over the whole call. ids_BL: int64, the mask token where nothing is yet. lengths_B: what lies behind is
    padding. committed_BL: bool. log_prob_BL: float32, of the committed tokens, 0 elsewhere.
    """

    number: int
    ids_BL: Tensor
    lengths_B: Tensor
    committed_BL: Tensor
    log_prob_BL: Tensor


Observer = Callable[[Step], object]
