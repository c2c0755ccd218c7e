"""One step as a sampler sees it. The model is asked when the first score is, so a step that commits nothing costs nothing."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from rnd1lib.diffusion import hash_uniform, mask_probability
from rnd1lib.diffusion.prediction import predict
from rnd1lib.sampling.canvas import Canvas
from rnd1lib.sampling.law import Law
from rnd1lib.sampling.scores import LazyScores

Where = Literal["masked", "generated"]


class Forward:
    """The model's logits for every row that is still open, computed when they are first read. tokens: run for them."""

    def __init__(self, canvas: Canvas, guidance: float) -> None:
        self.canvas, self.guidance = canvas, guidance
        self.open_B = canvas.masked_BL.any(1)
        self.logits: dict[Where, Tensor] = {}
        self.tokens = 0

    def asked(self, where: Where) -> Tensor:
        """[B, L] bool: the positions of open rows that `where` names."""
        canvas = self.canvas
        return canvas.masked_BL if where == "masked" else canvas.current_blocks() & self.open_B[:, None]

    def read(self, where: Where) -> Tensor:
        """Logits [N, V] of those positions, row by row."""
        if where not in self.logits:
            canvas, rows_A = self.canvas, self.open_B.nonzero()[:, 0]
            width = int(canvas.lengths_B[rows_A].max())
            self.tokens += len(rows_A) * width * (2 if self.guidance else 1)
            self.logits[where] = predict(
                canvas.model,
                canvas.ids_BL[rows_A, :width],
                self.asked(where)[rows_A, :width],
                lengths_B=canvas.lengths_B[rows_A],
                given_BL=~canvas.gaps_BL[rows_A, :width],
                guidance=self.guidance,
            )
        return self.logits[where]


class StepView:
    """What `Sampler.decide` is given: the rows of a forward pass that are at the same step of as many.

    Fulfils `rnd1lib.kinds.View`. rows_B are the canvas rows; numbers: the prompts' own numbers, [canvas rows].
    """

    def __init__(self, forward: Forward, rows_B: Tensor, step: int, steps: int, *, seed: int, numbers: Tensor) -> None:
        canvas = forward.canvas
        self.step, self.steps, self.rows_B = step, steps, rows_B
        self._forward, self._seed, self._numbers_B = forward, seed, numbers[rows_B]
        self.ids_BL = canvas.ids_BL[rows_B]
        self.generated_BL = canvas.current_blocks()[rows_B]
        self.masked_at_start_B = canvas.masked_at_start_B[rows_B]
        self.sequence_N, self.position_N = canvas.masked_BL[rows_B].nonzero(as_tuple=True)
        self.scored: dict[tuple[Law, Where], LazyScores] = {}

    @property
    def stay_B(self) -> Tensor:
        """[B] (1 - alpha(s)) / (1 - alpha(t)) of the model's noise, linear without one; 0 at the last step."""
        t, s = 1 - self.step / self.steps, 1 - (self.step + 1) / self.steps
        noise = getattr(self._forward.canvas.model, "noise", None)
        times_2 = torch.tensor([t, s], device=self.ids_BL.device)
        masked_2 = 1 - (1 - times_2) if noise is None else mask_probability(noise, times_2)  # in float32, 1 - alpha of linear
        stay = torch.zeros_like(masked_2[0]) if self.step + 1 == self.steps else masked_2[1] / masked_2[0]
        return stay.expand(len(self.ids_BL))

    def uniform(self, name: str) -> Tensor:
        """[N] in [0, 1): a function of the seed, `name`, the prompt's number, the position and the step in its block."""
        return self._uniform(name, self.sequence_N, self.position_N)

    def _uniform(self, name: str, sequence_N: Tensor, position_N: Tensor) -> Tensor:
        return hash_uniform(self._seed, name, self._numbers_B[sequence_N], position_N, self.step)

    def scores(
        self, temperature: float, top_k: int | None = None, top_p: float | None = None, where: Where = "masked"
    ) -> LazyScores:
        """Scores of the masked positions, or of every generated one of the current blocks."""
        law = Law(temperature, top_k, top_p)
        if (law, where) not in self.scored:
            asked_BL, logits_NV = self._forward.asked(where), self._forward.read(where)
            if len(self.rows_B) < int(self._forward.open_B.sum()):
                logits_NV = logits_NV[torch.isin(asked_BL.nonzero()[:, 0], self.rows_B)]
            places = asked_BL[self.rows_B].nonzero(as_tuple=True)
            mask_token_id = self._forward.canvas.model.mask_token_id
            self.scored[law, where] = LazyScores(logits_NV, mask_token_id, law, lambda: self._uniform("token", *places))
        return self.scored[law, where]

    def log_prob(self) -> Tensor:
        """[N] log-probability of the first scores' tokens at the masked positions, for observers; 0 if none were asked for."""
        if not self.scored:
            return torch.zeros(self.sequence_N.shape, device=self.ids_BL.device)
        (_, where), scores = next(iter(self.scored.items()))
        if where == "masked":
            return scores.log_prob
        return scores.log_prob[self._forward.canvas.masked_BL[self.rows_B][self.generated_BL]]

    def plain(self, commit_N: Tensor) -> LazyScores | None:
        """Scores of temperature 1, nothing filtered, of some masked positions; None if the sampler asked for no scores."""
        if not self.scored:
            return None
        (_, where), scores = next(iter(self.scored.items()))
        if where == "masked":
            return scores.plain(commit_N)
        masked_G = self._forward.canvas.masked_BL[self.rows_B][self.generated_BL]
        return scores.plain(masked_G.masked_scatter(masked_G, commit_N))


def views(forward: Forward, *, seed: int, numbers: Tensor) -> list[StepView]:
    """A view for each group of rows that stand at the same step; all share one forward pass. Mostly there is one."""
    canvas = forward.canvas
    clocks_B2 = torch.stack([canvas.step_B, canvas.steps_B], 1)
    clocks = torch.unique(clocks_B2[forward.open_B], dim=0)
    groups = [(forward.open_B & (clocks_B2 == clock).all(1)).nonzero()[:, 0] for clock in clocks]
    return [
        StepView(forward, rows_B, *clock, seed=seed, numbers=numbers)
        for rows_B, clock in zip(groups, clocks.tolist(), strict=True)
    ]
