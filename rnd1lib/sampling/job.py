"""Many texts from one command: batch after batch, split over the ranks of torchrun, with what is done after Ctrl-C."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from typing import Any, NamedTuple

import torch

import rnd1lib
from rnd1lib.diffusion.prediction import end_tokens
from rnd1lib.errors import Note, Rnd1Error, SamplingError, Stopped
from rnd1lib.kinds import Conversation, Denoiser, Sampler
from rnd1lib.sampling.arguments import canvas_ids, prompt_ids, sampler_of
from rnd1lib.sampling.gaps import text_with_gaps
from rnd1lib.sampling.generation import Generation
from rnd1lib.sampling.placeholder import decodable
from rnd1lib.sampling.ranks import Ranks
from rnd1lib.sampling.rounds import Answer, Share, together
from rnd1lib.views import Observer, Observers, Recorder, Step, Trace

Watch = Callable[[Any], AbstractContextManager[Observer]]
"""Makes an observer for a model; it is entered before the first text and left after the last."""

Keep = Callable[[Trace], None]
Row = str | Sequence[int] | Conversation
ALONE = Ranks(0, 1)


class Task(NamedTuple):
    """A row to be filled in. given: prompt or canvas, encoded. unsaid: so many of its ids are no part of the answer's text."""

    number: int
    given: list[int]
    unsaid: int


class Last:
    """An observer that keeps the last step."""

    step: Step | None = None

    def __call__(self, step: Step) -> None:
        """Called after each step."""
        self.step = step


def open_model(path: str, *, device: str | None = None, chat: bool = False, **said_otherwise: Any) -> Any:
    """The model of a command, on this rank's GPU if there is one. chat: its texts end where its template ends a turn.

    said_otherwise: attention_mask, shift and mask_token_id of `load_model`. SamplingError: a value that makes no sense.
    """
    if device is None:
        device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu"
    try:
        model = rnd1lib.load_model(path, device=device, **said_otherwise)
    except ValueError as error:
        raise SamplingError(str(error)) from error
    if chat:
        if model.tokenizer is None:
            raise SamplingError(f"{path}: has no tokenizer, so nothing says how its conversations are written.")
        model.eos_token_id = model.tokenizer.turn_end_id
    return model


def answers(
    model: Denoiser,
    rows: Sequence[Row],
    fill: Callable[..., Generation],
    *,
    batch: int,
    ranks: Ranks = ALONE,
    watches: Sequence[Watch] = (),
    keep: Keep | None = None,
    **arguments: Any,
) -> Generator[Answer]:
    """The rows filled in by `fill` (generate or infill), in order, as they are done; on several ranks they come out on rank 0.

    Rows go `batch` at a time; a row's number is its place in `rows`, so batches and ranks change no text. The text of a
    conversation is the answer alone. watches: of rank 0. keep: is given the trace of each batch, on rank 0, in order. Ctrl-C:
    what is done so far, unfinished rows with `[[n]]` for their gaps, then Stopped. To be closed by who does not want them all.
    """
    if batch < 1:
        raise SamplingError(f"batch: {batch} is below 1.")
    if not getattr(model, "has_mask_token", True):
        model = _decodable(model, **arguments)
    tasks = _tasks(model, rows, **arguments)[ranks.number :: ranks.count]
    with ExitStack() as stack:
        observers = [stack.enter_context(watch(model)) for watch in watches if ranks.number == 0]
        shares = _in_batches(model, tasks, fill, batch=batch, observers=observers, traced=keep is not None, **arguments)
        if ranks.count > 1:
            shares = stack.enter_context(closing(together(shares, ranks)))
        whole = 0
        try:
            for share in shares:
                if keep is not None:
                    for trace in share.traces:
                        keep(trace)
                whole += sum(model.mask_token_id not in answer.ids for answer in share.answers)
                yield from share.answers
        except KeyboardInterrupt:
            raise Stopped(f"Interrupted: {whole} of {len(rows)} texts are whole.", 130) from None


def _decodable(model: Any, *, sampler: str | Sampler, guidance: float = 0.0, **options: Any) -> Any:
    """The model as `generate` and `infill` will see it, for what is done around them."""
    own = {key: value for key, value in options.items() if key not in ("max_new_tokens", "cache", "seed")}
    return decodable(model, sampler_of(sampler, own, model), guidance=guidance)


def _tasks(model: Any, rows: Sequence[Row], max_new_tokens: int | None = None, **_: Any) -> list[Task]:
    """Every row encoded and checked on every rank before the first is filled, so that a bad one costs no work."""
    talks = [isinstance(row, Conversation) for row in rows]
    written = [model.tokenizer.encode_messages(row.messages) if isinstance(row, Conversation) else row for row in rows]
    if max_new_tokens is None:
        encoded = canvas_ids(model, written)
        _note_without_gaps([number for number, row in enumerate(encoded) if model.mask_token_id not in row])
    else:
        encoded = prompt_ids(model, written, max_new_tokens)
    return [Task(number, row, len(row) * talk) for number, (row, talk) in enumerate(zip(encoded, talks, strict=True))]


def _note_without_gaps(numbers: Sequence[int]) -> None:
    if numbers:
        named = ", ".join(map(str, numbers[:5])) + ", ..." * (len(numbers) > 5)
        warnings.warn(f"No gap such as [[8]] in text {named}: comes back as it is.", Note, stacklevel=4)


def _in_batches(
    model: Denoiser,
    tasks: Sequence[Task],
    fill: Callable[..., Generation],
    *,
    batch: int,
    observers: Sequence[Observer],
    traced: bool,
    **arguments: Any,
) -> Iterator[Share]:
    for first in range(0, len(tasks), batch):
        part, last, recorder = tasks[first : first + batch], Last(), Recorder()
        numbers, given = [task.number for task in part], [task.given for task in part]
        on_step = Observers(last, *observers, *([recorder] if traced else []))
        try:
            done = fill(model, given, numbers=numbers, on_step=on_step, **arguments)
        except Rnd1Error:
            yield Share([], recorder.traces)
            raise
        except KeyboardInterrupt:
            yield Share(_so_far(model, last.step, part), recorder.traces)
            raise
        yield Share(_answers(model, part, done, writes="max_new_tokens" in arguments), recorder.traces)


def _answers(model: Denoiser, tasks: Sequence[Task], done: Generation, *, writes: bool) -> list[Answer]:
    return [
        Answer(
            task.number,
            ids,
            _said(model, ids, task.unsaid) if task.unsaid else text,
            done.forward_calls,
            done.token_forwards,
            _finished(model, task, ids, writes=writes),
        )
        for task, ids, text in zip(tasks, done.sequences, done.texts, strict=True)
    ]


def _finished(model: Denoiser, task: Task, ids: Sequence[int], *, writes: bool) -> bool:
    if not writes:
        return model.mask_token_id not in ids
    return len(ids) > len(task.given) and ids[-1] in end_tokens(model)


def _so_far(model: Denoiser, step: Step | None, tasks: Sequence[Task]) -> list[Answer]:
    if step is None:
        return []
    canvases = zip(step.ids_BL.tolist(), step.lengths_B.tolist(), strict=True)
    rows = [canvas[:length] for canvas, length in canvases]
    return [
        Answer(task.number, row, _said(model, row, task.unsaid), step.number + 1, None, finished=False)
        for task, row in zip(tasks, rows, strict=True)
    ]


def _said(model: Denoiser, ids: Sequence[int], unsaid: int) -> str:
    """The text behind the first `unsaid` ids, without the token that ends it."""
    own = list(ids[unsaid:])
    return text_with_gaps(model, own[:-1] if own and own[-1] in end_tokens(model) else own)
