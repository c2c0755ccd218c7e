"""The conformance kit: what a component promises its kind, as checks that name the promise that is broken.

    from rnd1lib.testing import conformance

    test_conformance = conformance("noise", MyNoise())            # one test a promise, in pytest

    check(MyNoise(), "noise")                                     # the same without pytest

Each promise is a function of one component, listed by `promises(kind)` under its sentence; docs/reference/conformance.md
has them all. Every random number of the kit is a function of fixed counters, so a check that held holds again.

kit               `conformance`, `check`, `promises`
promise           what a promise is, and what its failure says
pytest_plugin     a test for every promise of everything that a package registers
examples          what the checks are made with: packed rows, names of parameters
denoiser          denoisers without a transformer
chance            whether counts follow a law
purity            whether a function is one

What each kind promises by itself, and with the core:

noise             alpha and its derivative
corruption        who is masked, with what probability and weight
blocks            the same where blocks have times of their own
objective         which row is scored against which token
shift             one shift for training, sampling and likelihood
attention_mask    who sees whom
documents         in a packed row every document as if it stood alone
doubled_mask      masks that read [noisy | clean]
structural_mask   masks that change the model between two steps
lr_groups         a partition of the parameters
sampler           what is given stays, every gap is filled
law               tokens are drawn from the model's law
model             a network on its flavor `tiny`
data              documents in a fixed order, from behind any cursor
rows              packed rows that any number of ranks sees alike
evaluator         figures that are a function of the model
callback          it changes nothing
"""

from rnd1lib.testing.kit import broken_promises, check, conformance, promises
from rnd1lib.testing.promise import BrokenPromise, Promise

__all__ = ["BrokenPromise", "Promise", "broken_promises", "check", "conformance", "promises"]
