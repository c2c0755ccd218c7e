"""A step of the sampling loop, as an observer is told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

Piece = Callable[[int], str]
"""Shows one token's text by its id."""


class Details(NamedTuple):
    """What the model thought of the C places that a step committed, in the order of `committed_BL.nonzero()`.

    Of the plain law: temperature 1, nothing filtered. entropy_C: float32, nats. best_ids_CK: int64, the 5 best tokens;
    best_CK: float32, their probabilities. All of a place is NaN where a sampler filled it without a look at the model.
    """

    entropy_C: Tensor
    best_ids_CK: Tensor
    best_CK: Tensor


class Step(NamedTuple):
    """The canvases after a step and what it changed, on the CPU.

    number: from 0, over the whole call. ids_BL: int64, the mask token where nothing is yet. lengths_B: what lies behind is
    padding. committed_BL: bool. log_prob_BL: float32, of the committed tokens under the law that they were drawn from, 0
    elsewhere. again_BL: bool, words that were masked again (and then perhaps filled anew). numbers_B: int64, the rows' own
    numbers. details: only where an observer asks for them.
    """

    number: int
    ids_BL: Tensor
    lengths_B: Tensor
    committed_BL: Tensor
    log_prob_BL: Tensor
    again_BL: Tensor
    numbers_B: Tensor
    details: Details | None = None
