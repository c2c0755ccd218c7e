"""What the sampling loop talks to: an observer is told how a call begins, of each step, and that it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from rnd1lib.views.step import Piece, Step
from rnd1lib.views.trace import Header

Observer = Callable[[Step], object]
"""Called after each step. It may have an attribute `details`: if true, a step holds them; a method `begin(header, piece)`,
called before the first step with a `views.trace.Header` and a function that shows one token's text; and a method `end()`,
called after the last one, or when the call is interrupted."""


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
