"""A call of `generate` or `infill` as its observers and a trace's header tell of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from functools import cached_property
from types import NoneType
from typing import Any, NamedTuple

from rnd1lib.kinds import Sampler
from rnd1lib.sampling.cache import is_exact
from rnd1lib.sampling.canvas import Canvas
from rnd1lib.views import Given, Header, Observer
from rnd1lib.views.trace import VERSION


class Asked(NamedTuple):
    """The arguments that both functions have; name: the sampler as it was given."""

    sampler: Sampler
    name: str | Sampler
    guidance: float
    cache: str | None
    seed: int
    numbers: Sequence[int]
    on_step: Observer | None


class Call:
    """What was asked for, written down when somebody wants to know. To be made before the canvas is filled."""

    def __init__(self, canvas: Canvas, asked: Asked) -> None:
        model: Any = canvas.model
        canvases = zip(canvas.ids_BL.tolist(), canvas.lengths_B.tolist(), strict=True)
        self._rows = [row[:length] for row, length in canvases]
        self._tokenizer = getattr(model, "tokenizer", None)
        self._told = {  # and not the model itself, whose memory a kept Generation would hold
            "model": getattr(model, "name", None) or type(model).__name__,
            "sampler": asked.name if isinstance(asked.name, str) else type(asked.name).__name__,
            "options": _options(asked.sampler),
            "seed": asked.seed,
            "guidance": float(asked.guidance),
            "cache": asked.cache,
            "exact": is_exact(model, asked.cache),
            "shift": model.shift,
            "mask_token_id": model.mask_token_id,
            "end_token_ids": list(canvas.end_token_ids),
            "canvases": [Given(number, row) for number, row in zip(asked.numbers, self._rows, strict=True)],
        }

    def piece(self, token: int) -> str:
        """A token as it is shown: its text, with the bytes of half a character named; its number without a tokenizer."""
        if self._tokenizer is None:
            return str(token)
        shown = getattr(self._tokenizer, "piece", None)
        return str(self._tokenizer.decode([token]) if shown is None else shown(token))

    @cached_property
    def header(self) -> Header:
        """The header of its trace."""
        tokenizer = self._tokenizer
        return Header(
            version=VERSION,
            tokenizer=None if tokenizer is None else getattr(tokenizer, "name", None) or type(tokenizer).__name__,
            vocabulary=getattr(tokenizer, "vocabulary_sha256", None),
            pieces={token: self.piece(token) for token in dict.fromkeys(token for row in self._rows for token in row)},
            **self._told,
        )


def _options(sampler: Sampler) -> dict[str, Any]:
    """A component's fields as plain values; what JSON cannot hold as its text."""
    options: dict[str, Any] = asdict(sampler) if is_dataclass(sampler) else {}
    finite = {name: not isinstance(value, float) or math.isfinite(value) for name, value in options.items()}
    plain = (bool, int, float, str, NoneType)
    return {name: value if isinstance(value, plain) and finite[name] else str(value) for name, value in options.items()}
