"""The conformance kit: what a component promises its kind, as checks that name the promise that is broken.

    from rnd1lib.testing import conformance

    test_conformance = conformance("noise", MyNoise())            # one test a promise, in pytest

    check(MyNoise(), "noise")                                     # the same without pytest

Each promise is a function of one component, listed by `promises(kind)` under its sentence; docs/reference/conformance.md
has them all. Every random number of the kit is a function of fixed counters, so a check that held holds again.
"""

from rnd1lib.testing.kit import broken_promises, check, conformance, promises
from rnd1lib.testing.promise import BrokenPromise, Promise

__all__ = ["BrokenPromise", "Promise", "broken_promises", "check", "conformance", "promises"]
