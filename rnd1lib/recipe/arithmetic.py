"""The arithmetic of a batch: rows, micro-batches and accumulation from tokens and ranks; steps from tokens or epochs."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from rnd1lib.errors import RecipeError

if TYPE_CHECKING:
    from rnd1lib.recipe.train_section import TrainSection


SPAN = re.compile(r"(\d+(?:\.\d*)?(?:[eE]\+?\d{1,2})?)\s*(%|tokens)")
"""A length that is not a number of steps: 2%, 0.8e12 tokens."""


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


def span_fault(span: int | str) -> str | None:
    """What is wrong with a length that is given in steps, in tokens or as a percentage; None if nothing is."""
    if isinstance(span, int):
        return f"{span} steps are less than none." if span < 0 else None
    if known := SPAN.fullmatch(span):
        return f"{span!r} is more than the whole run." if known[2] == "%" and float(known[1]) > 100 else None
    return f"{span!r} is neither a number of steps nor a percentage such as 2% nor tokens such as '8e9 tokens'."


def span_steps(span: int | str, train: TrainSection, total: int) -> int:
    """A length in steps: of tokens the nearest number, of a percentage its part of the `total` steps."""
    if isinstance(span, int):
        return span
    number, unit = SPAN.fullmatch(span).groups()  # type: ignore[union-attr]  # span_fault has looked at it
    return round(float(number) / 100 * total) if unit == "%" else round(float(number) / train.batch_tokens)


@dataclass(frozen=True)
class Stage:
    """A part of the schedule: `length` steps to `factor` of the peak learning rate, along `shape`."""

    length: int
    factor: float
    shape: str


def stages(train: TrainSection, total: int) -> list[Stage]:
    """What follows the warm-up, of which the stage without a length takes what is left of the `total` steps.

    RecipeError: two stages without a length, or more steps than the run has.
    """
    warmup = span_steps(train.warmup, train, total)
    if not train.stages:
        decays = train.schedule != "constant" and total > warmup
        return [Stage(total - warmup, 0.0, train.schedule)] if decays else []
    lengths = {name: span_steps(stage.length, train, total) for name, stage in train.stages.items() if stage.length is not None}
    open_ended = [name for name in train.stages if name not in lengths]
    rest = total - warmup - sum(lengths.values())
    if len(open_ended) > 1:
        raise RecipeError(f"train.stages: {' and '.join(open_ended)} have no length; one stage at most takes what is left.")
    if rest < len(open_ended):
        taken = ", ".join(f"{name} {length}" for name, length in {"warmup": warmup, **lengths}.items())
        wanted = f", and {open_ended[0]} needs some" if open_ended else ""
        raise RecipeError(f"train.stages: {taken} are {total - rest} steps of the run's {total}{wanted}.")
    return [Stage(lengths.get(name, rest), stage.factor, stage.shape) for name, stage in train.stages.items()]


def settled(train: TrainSection, total: int) -> dict[str, Any]:
    """The keys of `train:` that are lengths, in steps: percentages and tokens are settled once, at a run's first start."""
    lengths = {
        name: {"length": None if stage.length is None else span_steps(stage.length, train, total)}
        for name, stage in train.stages.items()
    }
    return {"warmup": span_steps(train.warmup, train, total)} | ({"stages": lengths} if lengths else {})


def lr_scale(train: TrainSection) -> float:
    """What the learning rates are multiplied by at this batch size."""
    if train.lr_scaling is None:
        return 1.0
    ratio = train.batch_tokens / train.lr_scaling.reference_batch_tokens
    return math.sqrt(ratio) if train.lr_scaling.rule == "sqrt" else ratio


def share(of_all: float | str) -> float:
    """A part of the whole in [0, 1], given as `0.01` or `1%`. ValueError, TypeError: neither."""
    if isinstance(of_all, bool):
        raise TypeError(f"{of_all} is no number.")
    part = float(of_all.removesuffix("%")) / 100 if isinstance(of_all, str) and of_all.endswith("%") else float(of_all)
    if not 0 <= part <= 1:
        raise ValueError(f"{of_all} is no part of the whole.")
    return part


def _nearest_divisor(number: int, wanted: int) -> int:
    return min((n for n in range(1, number + 1) if number % n == 0), key=lambda n: (abs(n - wanted), n))
