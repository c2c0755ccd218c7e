"""What a promise is: a check of one component that, when it fails, says who broke what, by which formula, and what was seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


class BrokenPromise(AssertionError):
    """A component does not do what its kind promises.

    component: the offender. sentence: the promise. formula: what it means exactly. found: what was seen instead.
    """

    def __init__(self, component: Any, sentence: str, formula: str, found: str) -> None:
        super().__init__(f"{component!r} breaks a promise of its kind: {sentence}.\n{formula}\nFound: {found}")
        self.component, self.sentence, self.formula, self.found = component, sentence, formula, found


def always(component: Any) -> bool:
    """Most promises are of every component of a kind."""
    return True


class Promise:
    """A promise as a function: call it with a component; it returns nothing, or raises BrokenPromise.

    sentence: its name in words. formula: its docstring. applies: whether it is a component's to keep; the others keep it
    by having nothing to do with it. A component that fails in the middle breaks the promise.
    """

    def __init__(self, hold: Callable[[Any], None], applies: Callable[[Any], bool] = always) -> None:
        self._hold, self.applies = hold, applies
        self.__name__, self.__module__ = hold.__name__, hold.__module__
        self.sentence = hold.__name__.replace("_", " ")
        self.formula = self.__doc__ = (hold.__doc__ or "").strip()

    def __call__(self, component: Any) -> None:
        """Raises BrokenPromise where the component does not keep it."""
        __tracebackhide__ = True  # pytest then shows the sentence, not the inside of the kit
        if not self.applies(component):
            return
        try:
            self._hold(component)
        except Exception as error:
            found = str(error) if isinstance(error, Unlike) else f"{type(error).__name__}: {error}"
            raise BrokenPromise(component, self.sentence, self.formula, found) from error

    def __repr__(self) -> str:
        return f"<promise: {self.sentence}>"


def promise(hold: Callable[[Any], None]) -> Promise:
    """Makes a promise of a function whose name is the sentence and whose docstring is the formula."""
    return Promise(hold)


def promise_where(applies: Callable[[Any], bool]) -> Callable[[Callable[[Any], None]], Promise]:
    """The same for a promise of those components alone for which `applies` holds."""
    return lambda hold: Promise(hold, applies)


class Unlike(AssertionError):
    """What was seen is not what was promised."""


def demand(holds: bool | Tensor, found: str) -> None:
    """Ends a check that does not hold; an `assert` that `python -O` does not take away."""
    if not bool(holds):
        raise Unlike(found)
