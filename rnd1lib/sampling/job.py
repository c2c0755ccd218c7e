"""Many prompts from one command: batch after batch, split over the ranks of torchrun, with what is done after Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from typing import Any, NamedTuple

import torch
import torch.distributed as dist

import rnd1lib
from rnd1lib.errors import Rnd1Error, SamplingError, Stopped
from rnd1lib.kinds import Denoiser
from rnd1lib.sampling.generation import Generation, as_text
from rnd1lib.views import Observer, Step

Watch = Callable[[Denoiser], AbstractContextManager[Observer]]


class Answer(NamedTuple):
    """One row that was filled in. forward_calls: of the batch that it was in."""

    number: int
    ids: list[int]
    text: str
    forward_calls: int


class Last:
    """An observer that keeps the last step and passes it on."""

    def __init__(self, observer: Observer | None) -> None:
        self.step: Step | None = None
        self._observer = observer

    def __call__(self, step: Step) -> None:
        """Called after each step."""
        self.step = step
        if self._observer is not None:
            self._observer(step)


def answers(
    folder: str,
    rows: Sequence[str | Sequence[int]],
    fill: Callable[..., Generation],
    *,
    batch: int,
    device: str | None = None,
    watch: Watch | None = None,
    **arguments: Any,
) -> Iterator[Answer]:
    """The rows filled in by `fill` (generate or infill), in order; on several ranks all of them come out on rank 0.

    Rows go `batch` at a time; a row's number is its place in `rows`, so batches and ranks change no text. Ctrl-C: what is
    done so far, unfinished rows with `[[n]]` for their gaps, then Stopped.
    """
    if batch < 1:
        raise SamplingError(f"batch: {batch} is below 1.")
    rank, ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if device is None:
        device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu"
    model: Any = rnd1lib.load_model(folder, device=device)
    mine = range(rank, len(rows), ranks)
    with watch(model) if watch is not None and rank == 0 else nullcontext() as observer:
        done = _in_batches(model, rows, mine, fill, batch=batch, observer=observer, **arguments)
        yield from done if ranks == 1 else _gathered(done, rank, ranks)


def _in_batches(
    model: Denoiser,
    rows: Sequence[str | Sequence[int]],
    mine: range,
    fill: Callable[..., Generation],
    *,
    batch: int,
    observer: Observer | None,
    **arguments: Any,
) -> Iterator[Answer]:
    for first in range(0, len(mine), batch):
        numbers, last = mine[first : first + batch], Last(observer)
        try:
            done = fill(model, [rows[n] for n in numbers], numbers=numbers, on_step=last, **arguments)
        except KeyboardInterrupt:
            unfinished = _so_far(model, last.step, numbers)
            yield from unfinished
            whole = first + sum(model.mask_token_id not in answer.ids for answer in unfinished)
            raise Stopped(f"Interrupted: {whole} of {len(mine)} texts are whole.", 130) from None
        for number, ids, text in zip(numbers, done.sequences, done.texts, strict=True):
            yield Answer(number, ids, text, done.forward_calls)


def _so_far(model: Denoiser, step: Step | None, numbers: range) -> list[Answer]:
    if step is None:
        return []
    canvases = zip(step.ids_BL.tolist(), step.lengths_B.tolist(), strict=True)
    rows = [canvas[:length] for canvas, length in canvases]
    return [Answer(number, row, text_with_gaps(model, row), step.number + 1) for number, row in zip(numbers, rows, strict=True)]


def text_with_gaps(model: Denoiser, ids: Sequence[int]) -> str:
    """An unfinished canvas as text: what is still masked is written `[[n]]`, as `infill` reads it."""
    runs = [(masked, list(run)) for masked, run in groupby(ids, key=lambda token: token == model.mask_token_id)]
    return "".join(f"[[{len(run)}]]" if masked else as_text(model, run) for masked, run in runs)


def _gathered(done: Iterator[Answer], rank: int, ranks: int) -> list[Answer]:
    """Every rank's answers on rank 0, in order. A mistake on one rank is raised on all, so none waits for another."""
    mistake: Rnd1Error | None = None
    own: list[Answer] = []
    try:
        own.extend(done)
    except Rnd1Error as error:
        mistake = error
    dist.init_process_group("gloo")
    try:
        shares: list[Any] = [None] * ranks
        dist.all_gather_object(shares, (own, str(mistake) if mistake else None))
    finally:
        dist.destroy_process_group()
    problems = [problem for _, problem in shares if problem]
    if problems:
        raise mistake or SamplingError(problems[0])
    return sorted(answer for share, _ in shares for answer in share) if rank == 0 else []
