"""`train:` of a recipe, and the sections inside it: keys, types, defaults and bounds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from rnd1lib.errors import RecipeError
from rnd1lib.recipe.arithmetic import rows_of_batch, share, span_fault, stages, steps

LENGTHS = ("steps", "tokens", "epochs")

Faults = Iterator[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class TimesSection:
    """`train.times:` - how noise levels are drawn: t = low + (high - low) u."""

    draw: Literal["stratified", "uniform"] = "stratified"
    """One stratum a row of the global batch, or each row alone."""
    per: Literal["row", "block"] = "row"
    """One t a row, or one a block of each document; blocks are those of the attention mask."""
    low: float = 1e-3
    high: float = 1.0
    redraw: bool = False
    """Draw a mask again while the share that it masks lies outside [low, high]."""

    def faults(self) -> Faults:
        """key and sentence for each value out of bounds."""
        if not 0 < self.low < self.high <= 1:
            name = "low" if 0 < self.high <= 1 else "high"
            yield name, f"{name}: 0 < low < high <= 1 does not hold for low {self.low} and high {self.high}."


@dataclass(frozen=True, kw_only=True)
class VariableLengthSection:
    """`train.variable_length:` - a few rows are cut short, so that the model meets texts of every length."""

    share: float | str = "1%"
    """How many rows: LLaDA's and LLaDA-MoE's 1 %."""
    shortest: int = 1
    """A cut row's length is uniform between this and `sequence_length`: 1 in LLaDA, 8 in LLaDA-MoE."""

    def faults(self) -> Faults:
        """key and sentence for each value out of bounds."""
        try:
            share(self.share)
        except ValueError:
            yield "share", f"share: {self.share!r} is neither a number in [0, 1] nor a percentage such as 1%."
        if self.shortest < 1:
            yield "shortest", f"shortest: {self.shortest} is not a positive number of tokens."


@dataclass(frozen=True, kw_only=True)
class StageSection:
    """`train.stages.NAME:` - a part of the learning-rate schedule, in the order of the file, behind the warm-up."""

    length: int | str | None = None
    """Steps, tokens (`0.8e12 tokens`) or a percentage of all steps; null, in one stage at most: what the others leave."""
    factor: float = 1.0
    """The learning rate at the stage's end, as a share of each group's peak."""
    shape: Literal["constant", "linear", "cosine"] = "constant"
    """How it gets there from the stage before: at once, in a straight line, or along half a cosine."""

    def faults(self) -> Faults:
        """key and sentence for each value out of bounds."""
        if self.length is not None and (message := span_fault(self.length)):
            yield "length", f"length: {message}"
        if not 0 <= self.factor < math.inf:
            yield "factor", f"factor: {self.factor} is not a share of 0 or more."


@dataclass(frozen=True, kw_only=True)
class LrScalingSection:
    """`train.lr_scaling:` - learning rates that were found at another batch size, carried over to this one."""

    rule: Literal["sqrt", "linear"] = "sqrt"
    """lr * sqrt(B / B0) (the report, section 3.3), or lr * B / B0."""
    reference_batch_tokens: int
    """B0: the batch at which the learning rates of `lr_groups` hold."""

    def faults(self) -> Faults:
        """key and sentence for each value out of bounds."""
        if self.reference_batch_tokens < 1:
            yield "reference_batch_tokens", f"reference_batch_tokens: {self.reference_batch_tokens} is not a positive number."


@dataclass(frozen=True, kw_only=True)
class NonFiniteSection:
    """`train.non_finite:` - what becomes of a step whose loss or gradient norm is not finite. It moves no weight."""

    skip: int = 2
    """So many in a row are passed over, each batch kept in `non_finite/`; one more ends the run with exit code 3."""

    def faults(self) -> Faults:
        """key and sentence for each value out of bounds."""
        if self.skip < 0:
            yield "skip", f"skip: {self.skip} steps are less than none."


@dataclass(frozen=True, kw_only=True)
class TrainSection:
    """`train:` - how long, on how much, how exactly."""

    steps: int | None = None
    tokens: float | None = None
    epochs: float | None = None
    batch_tokens: int
    """Tokens of a step, over all ranks and micro-batches."""
    micro_batch_rows: int | None = None
    """Rows of one forward pass of a rank; null: its whole share."""
    sequence_length: int
    times: TimesSection = field(default_factory=TimesSection)
    variable_length: VariableLengthSection | None = None
    """null: every row keeps its length."""
    warmup: int | str = "2%"
    """Steps, tokens (`8e9 tokens`) or a percentage of all steps; linear."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """After the warm-up: as it is, or down to 0 at the end of the run."""
    stages: dict[str, StageSection] = field(default_factory=dict)
    """In place of `schedule`: the parts that follow the warm-up, by name, in order."""
    lr_scaling: LrScalingSection | None = None
    """null: the learning rates of `lr_groups` as they stand."""
    precision: Literal["float32", "bf16", "float8", "mxfp8"] = "bf16"
    """Of the computation; weights and moments are float32. float8 and mxfp8: products by torchao, all else bf16."""
    recompute: Literal["none", "selective", "full"] = "none"
    loss: Literal["chunked", "liger"] = "chunked"
    """Who computes the cross entropy of the scored rows: rnd1lib, or liger-kernel on a GPU. The numbers are the same."""
    streams: int = 64
    """Into how many parts the data are split, whatever the number of ranks; a multiple of that number."""
    clip: float = 1.0
    """The largest gradient norm."""
    betas: tuple[float, float] = (0.9, 0.95)
    adam_eps: float = 1e-8
    non_finite: NonFiniteSection = field(default_factory=NonFiniteSection)
    seed: int = 0

    def faults(self) -> Faults:
        """key and sentence for each value out of bounds."""
        given = [name for name in LENGTHS if getattr(self, name) is not None]
        if len(given) != 1:
            name, instead = (given or LENGTHS)[0], f", not {len(given)} of them" if given else ""
            yield name, f"{name}: give one of {', '.join(LENGTHS)}{instead}."
        sizes = (*given, "batch_tokens", "micro_batch_rows", "sequence_length", "streams", "clip", "adam_eps")
        wrong = [name for name in sizes if (value := getattr(self, name)) is not None and not 0 < value < math.inf]
        for name in wrong:
            yield name, f"{name}: {getattr(self, name)} is not a positive number."
        if self.batch_tokens > 0 and self.sequence_length > 0:
            try:
                rows_of_batch(self.batch_tokens, self.sequence_length)
            except RecipeError as error:
                yield "batch_tokens", str(error)
        if self.variable_length is not None and self.variable_length.shortest > self.sequence_length:
            yield "variable_length", f"variable_length.shortest: longer than a row of sequence_length {self.sequence_length}."
        if message := span_fault(self.warmup):
            yield "warmup", f"warmup: {message}"
        elif len(given) == 1 and self.epochs is None and not wrong:
            yield from self._stage_faults()
        if self.sequence_length == 1:
            yield "sequence_length", "sequence_length: 1 is too short; a row has at least 2 places."
        if not 0 <= self.seed < 2**63:
            yield "seed", f"seed: {self.seed} does not lie in [0, 2^63)."
        if not all(isinstance(beta, float) and 0 <= beta < 1 for beta in self.betas):
            yield "betas", f"betas: {list(self.betas)} do not lie in [0, 1)."

    def _stage_faults(self) -> Faults:
        if self.stages and self.schedule != "constant":
            yield "schedule", f"schedule: {self.schedule} beside stages, which say it. Leave one of them out."
        if not any(True for stage in self.stages.values() for _ in stage.faults()):
            try:
                stages(self, steps(self))
            except RecipeError as error:
                yield "stages", str(error).removeprefix("train.")


INNER: dict[str, type[Any]] = {"times": TimesSection, "non_finite": NonFiniteSection}
"""The sections inside `train:`."""
