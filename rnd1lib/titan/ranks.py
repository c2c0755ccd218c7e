"""One rank's error ends all: what can be agreed on is raised on every rank, the rest is told before the connection breaks."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch.distributed as dist

from rnd1lib.errors import OtherRankFailed, PluginError, Rnd1Error, Stopped

T = TypeVar("T")
runs = itertools.count()


def on_every_rank(work: Callable[[], T]) -> T:
    """What `work` gives here; where it raises an Rnd1Error on any rank, every rank raises, so that rank 0 can say it.

    work: makes no collective calls.
    """
    result, error = None, None
    try:
        result = work()
    except Rnd1Error as raised:
        error = raised
    told: list[tuple[str, int] | None] = [None] * dist.get_world_size()
    dist.all_gather_object(told, None if error is None else (str(error), error.exit_code))
    if error is not None:
        raise error
    if first := next(filter(None, told), None):
        failed = Rnd1Error(first[0])
        failed.exit_code = first[1]
        raise failed
    return result  # type: ignore[return-value]


def on_first_rank(work: Callable[[], T]) -> T:
    """What `work` gives on rank 0, on every rank; where it raises an Rnd1Error, every rank raises."""
    shared = [on_every_rank(lambda: work() if dist.get_rank() == 0 else None)]
    dist.broadcast_object_list(shared)
    return shared[0]  # type: ignore[return-value]


@contextmanager
def told_errors() -> Iterator[None]:
    """Around a training: what ends it here is told to the other ranks, and what ended it there is no error of this one.

    A rank that fails alone leaves the others in a call that breaks; OtherRankFailed is then raised in place of that.
    """
    store = dist.distributed_c10d._get_default_store()
    key = f"rnd1lib/failed/{next(runs)}"
    try:
        yield
    except Stopped:
        raise
    except Exception as error:
        mine = json.dumps([getattr(error, "exit_code", 1), str(error) or type(error).__name__])
        first = _first_told(store, key, mine)
        if first != mine and (not isinstance(error, Rnd1Error) or _broken_call(error)):
            code, sentence = json.loads(first)
            raise OtherRankFailed(sentence, code) from None
        raise


def _first_told(store: Any, key: str, mine: str) -> str:
    """What the first rank to fail told; ours where the rank that holds the store has left already."""
    try:
        told: bytes = store.compare_set(key, "", mine)
    except dist.DistError:
        return mine
    return told.decode()


def _broken_call(error: Rnd1Error) -> bool:
    return isinstance(error, PluginError) and isinstance(error.__cause__, RuntimeError)
