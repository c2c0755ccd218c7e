"""The processes of one command: it alone, or those that torchrun started, which share its texts over gloo."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch.distributed as dist

from rnd1lib.errors import OtherRankFailed, Rnd1Error

T = TypeVar("T")
LONGEST_WAIT = timedelta(days=30)
"""A rank whose texts are short waits for one whose texts are long; torchrun itself ends it if the other dies."""


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is."""

    number: int
    count: int

    def first(self, read: Callable[[], T]) -> T:
        """What `read` gives on rank 0, on every rank: they share one stdin. Its Rnd1Error is raised on all of them."""
        if self.count == 1:
            return read()
        shared: list[Any] = [None, None]
        mistake: Rnd1Error | None = None
        if self.number == 0:
            try:
                shared[0] = read()
            except Rnd1Error as error:
                mistake, shared[1] = error, (str(error), error.exit_code)
        dist.broadcast_object_list(shared)
        if mistake is not None:
            raise mistake
        if shared[1] is not None:
            raise OtherRankFailed(*shared[1])
        value: T = shared[0]
        return value

    def gather(self, own: T) -> list[T]:
        """What each rank gives, in the order of the ranks, on all of them."""
        shares: list[Any] = [own]
        if self.count > 1:
            shares = [None] * self.count
            dist.all_gather_object(shares, own)
        return shares


@contextmanager
def connected() -> Iterator[Ranks]:
    """This process and those that torchrun started with it."""
    ranks = Ranks(int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1)))
    if ranks.count == 1:
        yield ranks
        return
    dist.init_process_group("gloo", timeout=LONGEST_WAIT)
    try:
        yield ranks
    finally:
        dist.destroy_process_group()
