"""Rows, micro-batches, steps: the arithmetic of a batch, which proposes the nearest number that works."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from rnd1lib.errors import RecipeError

if TYPE_CHECKING:
    from rnd1lib.recipe.sections import TrainSection


class Cut(NamedTuple):
    """How a step's global batch is cut: its rows, those of a rank, those of one forward pass, and how many passes."""

    global_rows: int
    rows_a_rank: int
    micro_batch_rows: int
    accumulation_steps: int


def rows_of_batch(batch_tokens: int, sequence_length: int) -> int:
    """The rows of a global batch. RecipeError: the tokens are no whole number of rows, with the nearest that are."""
    rows, rest = divmod(batch_tokens, sequence_length)
    if rest or not rows:
        near = max(1, round(batch_tokens / sequence_length)) * sequence_length
        raise RecipeError(
            f"batch_tokens: {batch_tokens} tokens are not a whole number of rows of {sequence_length}. Nearest: {near}."
        )
    return rows


def cut(train: TrainSection, ranks: int) -> Cut:
    """The cut of `train.batch_tokens` over the ranks. RecipeError: what does not divide, and the nearest number that does."""
    rows = rows_of_batch(train.batch_tokens, train.sequence_length)
    if rows % ranks:
        near = max(1, round(rows / ranks)) * ranks * train.sequence_length
        raise RecipeError(
            f"train.batch_tokens: {rows} rows of {train.sequence_length} do not divide by {ranks} ranks. "
            f"Nearest batch_tokens: {near}; or take {_nearest_divisor(rows, ranks)} ranks."
        )
    if train.streams % ranks:
        near = max(1, round(train.streams / ranks)) * ranks
        raise RecipeError(f"train.streams: {train.streams} streams do not divide by {ranks} ranks. Nearest: {near}.")
    share = rows // ranks
    micro = train.micro_batch_rows or share
    if share % micro:
        raise RecipeError(
            f"train.micro_batch_rows: {micro} does not divide the {share} rows of a rank. "
            f"Nearest: {_nearest_divisor(share, micro)}."
        )
    return Cut(rows, share, micro, share // micro)


def total_steps(train: TrainSection, rows_of_epoch: int | None = None) -> int:
    """The steps of a run: as given, or enough for the tokens or epochs (which need the rows of one)."""
    if train.steps is not None:
        return train.steps
    if train.tokens is not None:
        return math.ceil(train.tokens / train.batch_tokens)
    if rows_of_epoch is None:
        raise RecipeError("train.epochs: these data have no end that is known beforehand. Give train.steps or train.tokens.")
    assert train.epochs is not None
    return math.ceil(train.epochs * rows_of_epoch * train.sequence_length / train.batch_tokens)


def warmup_steps(warmup: int | str, steps: int) -> int:
    """The steps of the warm-up: as given, or a percentage of all steps, rounded."""
    return warmup if isinstance(warmup, int) else round(float(warmup.rstrip("% ")) / 100 * steps)


def _nearest_divisor(number: int, wanted: int) -> int:
    return min((n for n in range(1, number + 1) if number % n == 0), key=lambda n: (abs(n - wanted), n))
