"""The sections of a recipe that are the core's own, but for `train:`: their keys, types, defaults and bounds."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

from rnd1lib.recipe.arithmetic import share
from rnd1lib.recipe.train_section import Faults
from rnd1lib.registry import did_you_mean

CORE_KEYS = {
    "model": ("flavor", "init", "tokenizer", "mask_token_id", "mask_row", "rope_theta"),
    "data": ("on_error",),
    "evaluators": ("every",),
    "callbacks": ("every",),
}
"""What stands beside `use` and is not a component's option; it stays when `use` changes."""
MASK_ROW = re.compile("mean|zero|keep|token:.+")
NESTED_KEYS = ("weight",)
"""The same for a component inside another one."""


@dataclass(frozen=True, kw_only=True)
class ModelSection:
    """`model:` - which network, in which size, from which weights, and where its mask token lies."""

    use: str
    flavor: str | None = None
    """A size that the component knows; null: what `init` says."""
    init: str | None = None
    """A Hugging Face folder or name, or a run folder; null: random weights."""
    tokenizer: Any = None
    """A folder or hub name, or {train: 4096}; null: the one beside `init`."""
    mask_token_id: int | str | None = None
    """An id or a token's name; null: what `init` or the tokenizer says, else a spare row of the table, else a new one."""
    mask_row: str = "mean"
    """What the mask token's embedding starts from: mean, zero, keep or token:ID; a row that was trained is kept."""
    rope_theta: float | None = None
    """RoPE's base, where longer rows ask for a larger one; null: what `init` or the flavor says."""
    options: dict[str, Any] = field(default_factory=dict)

    def faults(self) -> Faults:
        """key and sentence for each value out of bounds."""
        tokenizer = self.tokenizer
        size = tokenizer.get("train") if isinstance(tokenizer, dict) and set(tokenizer) == {"train"} else None
        if not (tokenizer is None or isinstance(tokenizer, str) or (type(size) is int and 300 <= size <= 1_000_000)):
            yield "tokenizer", f"tokenizer: {tokenizer!r} is neither a folder or name nor {{train: a size from 300}}."
        if self.flavor is None and self.init is None:
            yield "flavor", "flavor: missing. Name a size, or give `init` a folder that says it."
        if isinstance(self.mask_token_id, int) and self.mask_token_id < 0:
            yield "mask_token_id", f"mask_token_id: {self.mask_token_id} is no token id."
        if not MASK_ROW.fullmatch(self.mask_row):
            meant = did_you_mean(self.mask_row, ("mean", "zero", "keep", "token:"))
            yield "mask_row", f"mask_row: {self.mask_row!r} is not one of mean, zero, keep, token:ID.{meant}"
        if self.rope_theta is not None and not 1 < self.rope_theta < math.inf:
            yield "rope_theta", f"rope_theta: {self.rope_theta} is no base above 1."


@dataclass(frozen=True, kw_only=True)
class DataSection:
    """`data:` - where documents come from, and how many of them may be broken."""

    use: str
    on_error: Any = field(default_factory=lambda: {"skip": "0.1%"})
    """`{skip: 0.1%}`: broken documents are skipped, until more than that share of all are; `stop`: the first ends the run."""
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def most_broken(self) -> float:
        """The share of the documents that may be broken."""
        return 0.0 if self.on_error == "stop" else share(self.on_error["skip"])

    def faults(self) -> Faults:
        """key and sentence for each value out of bounds."""
        try:
            known = self.on_error == "stop" or (set(self.on_error) == {"skip"} and share(self.on_error["skip"]) <= 1)
        except (TypeError, ValueError):
            known = False
        if not known:
            yield "on_error", f"on_error: {self.on_error!r} is neither `stop` nor {{skip: a share such as 0.1%}}."


@dataclass(frozen=True, kw_only=True)
class RunSection:
    """`run:` - where the run lives, and when it is interrupted."""

    folder: str
    stop_after: int | None = None
    """End, saved, after this many steps in all, as an interruption would."""

    def faults(self) -> Faults:
        """key and sentence for each value out of bounds."""
        if not self.folder:
            yield "folder", "folder: empty. Name the folder of the run."
        if self.stop_after is not None and self.stop_after < 1:
            yield "stop_after", f"stop_after: {self.stop_after} is not a positive number of steps."


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of `evaluators:` or `callbacks:`: the component, how often it is called, and its options."""

    use: str
    every: int = 1
    """In steps."""
    options: dict[str, Any] = field(default_factory=dict)

    def faults(self) -> Faults:
        """key and sentence for each value out of bounds."""
        if self.every < 1:
            yield "every", f"every: {self.every} is not a positive number of steps."
