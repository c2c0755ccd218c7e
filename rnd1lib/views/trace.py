"""A trace: what a call of `generate` or `infill` did, step by step, as plain data. Every other view is drawn from it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from rnd1lib.views.step import Piece, Step

VERSION = 1
DIGITS = 5


class Given(NamedTuple):
    """A canvas at the start: the row's own number and its ids, the mask token where something is to be filled in."""

    number: int
    ids: list[int]


class Header(NamedTuple):
    """What a call was asked for.

    tokenizer, vocabulary: its name and the sha256 of what its ids mean; None without one, and then pieces are the ids.
    exact: False where a cache approximates. end_token_ids: end a row's text; none in infill, which does not stop there.
    pieces: the text of each id of the canvases.
    """

    version: int
    model: str
    tokenizer: str | None
    vocabulary: str | None
    sampler: str
    options: dict[str, Any]
    seed: int
    guidance: float
    cache: str | None
    exact: bool
    shift: int
    mask_token_id: int
    end_token_ids: list[int]
    canvases: list[Given]
    pieces: dict[int, str]


class Line(NamedTuple):
    """What a step changed: the k-th entry of `row` to `top` belongs to the k-th place that it filled.

    row: which canvas of the header. probability: of the token under the law that it was drawn from; None where that is NaN.
    entropy: in nats, of the plain law; None where the model was not asked; top: the best tokens as (id, plain probability).
    Both are empty where nobody asked for details. masked_again: (row, position) of words taken back, before the places were
    filled. pieces: the text of each id that is new in this trace.
    """

    step: int
    row: list[int]
    position: list[int]
    id: list[int]
    probability: list[float | None]
    entropy: list[float | None]
    top: list[list[tuple[int, float]]]
    masked_again: list[tuple[int, int]]
    pieces: dict[int, str]


class Trace(NamedTuple):
    """A header and its lines, in order."""

    header: Header
    lines: list[Line]

    def pieces(self) -> dict[int, str]:
        """The text of every id in it."""
        known = dict(self.header.pieces)
        for line in self.lines:
            known |= line.pieces
        return known


class Lines:
    """The lines of one trace, made as its steps come. piece: shows one token's text."""

    def __init__(self, header: Header, piece: Piece) -> None:
        self._piece, self._known = piece, set(header.pieces)

    def of(self, step: Step) -> Line:
        """The next line."""
        places = step.committed_BL.nonzero()
        tokens = step.ids_BL[step.committed_BL].tolist()
        entropy, top = _details(step)
        return Line(
            step=step.number,
            row=places[:, 0].tolist(),
            position=places[:, 1].tolist(),
            id=tokens,
            probability=[_rounded(p, 1.0) for p in step.log_prob_BL[step.committed_BL].exp().tolist()],
            entropy=entropy,
            top=top,
            masked_again=[(row, position) for row, position in step.again_BL.nonzero().tolist()],
            pieces=self._new_pieces([*tokens, *(token for best in top for token, _ in best)]),
        )

    def _new_pieces(self, tokens: Iterable[int]) -> dict[int, str]:
        new = {token: self._piece(token) for token in dict.fromkeys(tokens) if token not in self._known}
        self._known |= set(new)
        return new


class Recorder:
    """An observer that remembers. traces: one for each call that it has heard of."""

    details = True

    def __init__(self) -> None:
        self.traces: list[Trace] = []

    def begin(self, header: Header, piece: Piece) -> None:
        """Called before the first step."""
        self.traces.append(Trace(header, []))
        self._lines = Lines(header, piece)

    def __call__(self, step: Step) -> None:
        """Called after each step."""
        self.traces[-1].lines.append(self._lines.of(step))


def _details(step: Step) -> tuple[list[float | None], list[list[tuple[int, float]]]]:
    if step.details is None:
        return [], []
    entropy_C, ids_CK, best_CK = (value.tolist() for value in step.details)
    top = [
        [(token, p) for token, p in zip(ids, map(_rounded, best), strict=True) if p is not None]
        for ids, best in zip(ids_CK, best_CK, strict=True)
    ]
    return [_rounded(entropy) for entropy in entropy_C], top


def _rounded(value: float, high: float = math.inf) -> float | None:
    """Some digits of a float32, so that the file is half as long, within bounds that its last digits may miss; None: NaN."""
    return None if math.isnan(value) else float(f"{min(max(value, 0.0), high):.{DIGITS}g}")
