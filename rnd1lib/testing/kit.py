"""The promises of a kind, one component held to all of them, and the same as tests for pytest."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from rnd1lib.kinds import KINDS, Kind
from rnd1lib.testing.promise import BrokenPromise, Promise

MODULES: dict[Kind, tuple[str, ...]] = {
    "attention_mask": ("attention_mask", "doubled_mask", "structural_mask", "documents"),
    "noise": ("noise", "corruption", "blocks"),
    "objective": ("objective", "shift"),
    "lr_groups": ("lr_groups",),
    "sampler": ("sampler", "law"),
    "model": ("model",),
    "data": ("data", "rows"),
    "evaluator": ("evaluator",),
    "callback": ("callback",),
}


def promises(kind: Kind) -> dict[str, Promise]:
    """The promises of a kind by their sentences, those that a component keeps alone before those that it keeps in the core.

    ValueError: no such kind. Only `model` imports torchtitan, when a promise is called.
    """
    if kind not in KINDS:
        raise ValueError(f"no kind is called {kind!r}. Kinds: {', '.join(KINDS)}.")
    modules = [import_module(f"rnd1lib.testing.{name}") for name in MODULES[kind]]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Promise)]
    return {each.sentence: each for each in found}


def broken_promises(component: Any, kind: Kind) -> list[BrokenPromise]:
    """Every promise of `kind` that the component breaks; empty where it keeps them all."""
    broken = []
    for each in promises(kind).values():
        try:
            each(component)
        except BrokenPromise as error:
            broken.append(error)
    return broken


def check(component: Any, kind: Kind) -> None:
    """Holds a component to every promise of its kind. AssertionError: all that it breaks."""
    broken = broken_promises(component, kind)
    if broken:
        raise AssertionError("\n\n".join(map(str, broken)))


def conformance(kind: Kind, *components: Any) -> Callable[..., None]:
    """The promises as a test function: `test_conformance = conformance("noise", MyNoise())` is one test a promise that applies.

    The ids of the tests are the sentences; with several components the component stands before the sentence. Needs pytest.
    """
    import pytest

    cases = [
        pytest.param(component, each, id=sentence if len(components) == 1 else f"{component!r}: {sentence}")
        for component in components
        for sentence, each in promises(kind).items()
        if each.applies(component)
    ]

    @pytest.mark.parametrize(("component", "promise"), cases)
    def test(component: Any, promise: Promise) -> None:
        __tracebackhide__ = True
        promise(component)

    made: Callable[..., None] = test
    return made
