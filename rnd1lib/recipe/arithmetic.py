"""The arithmetic of a batch: rows, micro-batches and accumulation from tokens and ranks; steps from tokens or epochs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from rnd1lib.errors import RecipeError

if TYPE_CHECKING:
    from rnd1lib.recipe.sections import TrainSection


class Batching(NamedTuple):
    """global_rows: of a step. micro_batch_rows: of a rank's forward pass. accumulation: forward passes of a rank a step."""

    global_rows: int
    micro_batch_rows: int
    accumulation: int


def rows_of_batch(batch_tokens: int, sequence_length: int) -> int:
    """The rows of a step's global batch. RecipeError with the nearest multiple where the tokens do not fill whole rows."""
    rows, rest = divmod(batch_tokens, sequence_length)
    if rest or not rows:
        nearest = sorted({max(rows, 1) * sequence_length, (rows + 1) * sequence_length})
        raise RecipeError(
            f"batch_tokens: {batch_tokens} is no multiple of sequence_length {sequence_length}. "
            f"Nearest: {' or '.join(map(str, nearest))}."
        )
    return rows


def batching(train: TrainSection, ranks: int) -> Batching:
    """How a step's rows are dealt out. RecipeError with the nearest number that works where they cannot be."""
    length = train.sequence_length
    rows = rows_of_batch(train.batch_tokens, length)
    each, rest = divmod(rows, ranks)
    if rest or not each:
        nearest = max(1, round(rows / ranks)) * ranks * length
        fitting = _nearest_divisor(rows, ranks)
        raise RecipeError(
            f"train.batch_tokens: {train.batch_tokens} is {rows} rows of {length}, which {ranks} ranks cannot share evenly. "
            f"Nearest: batch_tokens {nearest}, or {fitting} rank{'s' * (fitting > 1)}."
        )
    if train.streams % ranks:
        nearest = max(1, round(train.streams / ranks)) * ranks
        raise RecipeError(f"train.streams: {train.streams} streams are no multiple of {ranks} ranks. Nearest: {nearest}.")
    micro = train.micro_batch_rows or each
    if each % micro:
        raise RecipeError(
            f"train.micro_batch_rows: {micro} does not divide the {each} rows of a rank "
            f"({rows} rows a step on {ranks} rank{'s' * (ranks > 1)}). Nearest: {_nearest_divisor(each, micro)}."
        )
    return Batching(rows, micro, each // micro)


def steps(train: TrainSection, *, epoch_rows: int | None = None) -> int:
    """The steps of a run, from `steps`, `tokens` or `epochs` (then `epoch_rows`: the rows that one pass packs to)."""
    if train.steps is not None:
        return train.steps
    if train.tokens is not None:
        return max(1, math.ceil(train.tokens / train.batch_tokens))
    assert train.epochs is not None and epoch_rows is not None
    return max(1, math.ceil(train.epochs * epoch_rows * train.sequence_length / train.batch_tokens))


def warmup_steps(warmup: int | str, total: int) -> int:
    """A number of steps, or a share of them: `2%`."""
    return round(float(warmup.rstrip("% ")) / 100 * total) if isinstance(warmup, str) else warmup


def _nearest_divisor(number: int, wanted: int) -> int:
    return min((n for n in range(1, number + 1) if number % n == 0), key=lambda n: (abs(n - wanted), n))
