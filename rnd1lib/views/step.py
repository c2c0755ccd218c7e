"""What the sampling loop tells an observer: how a call begins, and each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

    from rnd1lib.views.trace import Header


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


Observer = Callable[[Step], object]
"""Called after each step. It may have an attribute `details`: if true, a step holds them; a method `begin(header, piece)`,
called before the first step with a `views.trace.Header` and a function that shows one token's text; and a method `end()`,
called after the last one, or when the call is interrupted."""

Piece = Callable[[int], str]


class Observers:
    """Several observers as one."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers
        self.details = any(getattr(observer, "details", False) for observer in observers)

    def begin(self, header: Header, piece: Piece) -> None:
        """Called before the first step."""
        for observer in self._observers:
            tell(observer, "begin", header, piece)

    def __call__(self, step: Step) -> None:
        """Called after each step."""
        for observer in self._observers:
            observer(step)

    def end(self) -> None:
        """Called after the last step."""
        for observer in self._observers:
            tell(observer, "end")


def tell(observer: Observer | None, method: Literal["begin", "end"], *told: object) -> None:
    """Tells an observer that a call begins or ends, if it wants to know."""
    listening = getattr(observer, method, None)
    if listening is not None:
        listening(*told)
