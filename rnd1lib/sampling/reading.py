"""Asking the model about positions of a canvas: every open row anew, or with what a cache kept of earlier passes."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from rnd1lib.diffusion.prediction import predict
from rnd1lib.sampling.canvas import Canvas


class Reader(Protocol):
    """Answers what a step asks. tokens: how many were run through the model, guidance's twins too, no padding."""

    tokens: int

    def read(self, asked_BL: Tensor) -> Tensor:
        """Logits [N, V] of the positions in `asked_BL`, row by row."""


class Whole:
    """Runs every row that is asked about, whole."""

    def __init__(self, canvas: Canvas, guidance: float) -> None:
        self._canvas, self._guidance = canvas, guidance
        self._lengths, self.tokens = canvas.lengths_B.tolist(), 0

    def read(self, asked_BL: Tensor) -> Tensor:
        """One call of the model."""
        canvas, rows_A = self._canvas, asked_BL.any(1).nonzero()[:, 0]
        lengths = [self._lengths[row] for row in rows_A.tolist()]
        width = max(lengths)
        self.tokens += sum(lengths) * (2 if self._guidance else 1)
        return predict(
            canvas.model,
            canvas.ids_BL[rows_A, :width],
            asked_BL[rows_A, :width],
            lengths_B=None if min(lengths) == width else canvas.lengths_B[rows_A],
            given_BL=~canvas.gaps_BL[rows_A, :width] if self._guidance else None,
            guidance=self._guidance,
        )
