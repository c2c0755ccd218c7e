"""Whether a function is one: no generator of the process plays a part, and what it was given stays as it was."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor

from rnd1lib.testing.promise import demand

T = TypeVar("T")


@contextmanager
def no_process_rng() -> Iterator[None]:
    """Ends in an error if the block drew from torch's, Python's or NumPy's generator of the process."""
    before = _states()
    yield
    for name, state in _states().items():
        demand(state == before.get(name, state), f"the generator of {name} was used.")


def _states() -> dict[str, Any]:
    states = {"torch": torch.get_rng_state().numpy().tobytes(), "the module random": random.getstate()}
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        states["NumPy"] = repr(numpy.random.get_state())
    return states


@contextmanager
def unchanged(tensors: Iterable[Tensor]) -> Iterator[None]:
    """Ends in an error if the block wrote into one of the tensors."""
    kept = [(tensor, tensor.clone()) for tensor in tensors]
    yield
    for place, (now, before) in enumerate(kept):
        demand(torch.equal(now, before), f"tensor {place} of what was given was written into.")


def twice(make: Callable[[], T]) -> tuple[T, T]:
    """The same call under two seeds of the process; the caller's generators are put back."""
    with torch.random.fork_rng(devices=[]):
        state = random.getstate()
        results = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            random.seed(seed)
            results.append(make())
        random.setstate(state)
    return results[0], results[1]


def same(one: Iterable[Tensor], two: Iterable[Tensor]) -> bool:
    """Whether two collections of tensors are equal to the last bit, dtypes included."""
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in zip(one, two, strict=True))
