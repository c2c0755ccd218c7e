"""One step as a sampler sees it. The model is asked when the first score is, so a step that commits nothing costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from rnd1lib.diffusion import hash_uniform, mask_probability
from rnd1lib.sampling.canvas import Canvas, Clock, Clocks
from rnd1lib.sampling.law import Law
from rnd1lib.sampling.reading import Reader
from rnd1lib.sampling.scores import LazyScores

Where = Literal["masked", "generated", "chosen"]


class Forward:
    """The model's logits for the rows that are still open, computed when they are first read.

    chosen_BL: masked positions that samplers chose without asking the model.
    """

    def __init__(self, canvas: Canvas, reader: Reader) -> None:
        self.canvas, self._reader = canvas, reader
        self.chosen_BL = torch.zeros_like(canvas.masked_BL)
        self.logits: dict[Where, Tensor] = {}

    def asked(self, where: Where) -> Tensor:
        """[B, L] bool: the positions of open rows that `where` names."""
        match where:
            case "masked":
                return self.canvas.masked_BL
            case "generated":
                return self.canvas.current_BL
            case "chosen":
                return self.chosen_BL

    def read(self, where: Where) -> Tensor:
        """Logits [N, V] of those positions, row by row."""
        if where not in self.logits:
            self.logits[where] = self._reader.read(self.asked(where))
        return self.logits[where]


class StepView:
    """What `Sampler.decide` is given: the rows of a forward pass that are at the same step of as many.

    Fulfils `rnd1lib.kinds.View`. rows: of the canvas; alone: no other row is open; numbers: the prompts' own numbers,
    [canvas rows].
    """

    def __init__(self, forward: Forward, rows: list[int], clock: Clock, *, alone: bool, seed: int, numbers: Tensor) -> None:
        canvas = forward.canvas
        self.step, self.steps = clock
        self.rows_B = rows_B = numbers.new_tensor(rows)
        self.masked_at_start_B = numbers.new_tensor([canvas.stands[row].masked_at_start for row in rows])
        self._forward, self._alone, self._seed, self._numbers_B = forward, alone, seed, numbers[rows_B]
        self.ids_BL = canvas.ids_BL[rows_B]
        self.generated_BL = canvas.current_BL[rows_B]
        self.sequence_N, self.position_N = canvas.masked_BL[rows_B].nonzero(as_tuple=True)
        self._scored: dict[tuple[Law, Where], LazyScores] = {}

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
        return self._uniform(name, self.sequence_N, self.position_N)()

    def _uniform(self, name: str, sequence_N: Tensor, position_N: Tensor) -> Callable[[], Tensor]:
        """Gives those numbers without a hold on this view: in a cycle with its scores the logits would outlive the step."""
        return partial(hash_uniform, self._seed, name, self._numbers_B[sequence_N], position_N, self.step)

    def scores(
        self, temperature: float, top_k: int | None = None, top_p: float | None = None, where: Where = "masked"
    ) -> LazyScores:
        """Scores of the masked positions, of every generated one of the current blocks, or of those that were chosen."""
        law = Law(temperature, top_k, top_p)
        if (law, where) not in self._scored:
            logits_NV = self._forward.read(where)
            if not self._alone:
                logits_NV = logits_NV[torch.isin(self._forward.asked(where).nonzero()[:, 0], self.rows_B)]
            uniform = self._uniform("token", *self._asked(where))
            mask_token_id = self._forward.canvas.model.mask_token_id
            self._scored[law, where] = LazyScores(logits_NV, mask_token_id, law, uniform)
        return self._scored[law, where]

    def _asked(self, where: Where) -> tuple[Tensor, Tensor]:
        """Row and position of what `where` names, in this view."""
        if where == "masked":
            return self.sequence_N, self.position_N
        sequence_M, position_M = self._forward.asked(where)[self.rows_B].nonzero(as_tuple=True)
        return sequence_M, position_M

    def places(self, commit_N: Tensor) -> tuple[Tensor, Tensor]:
        """Where those masked positions lie: rows of the canvas and positions, each [C]."""
        commit_C = commit_N.nonzero()[:, 0]
        return self.rows_B[self.sequence_N[commit_C]], self.position_N[commit_C]

    def choose(self, commit_N: Tensor) -> None:
        """Asks the model, when it is asked, about these masked positions alone."""
        self._forward.chosen_BL[self.places(commit_N)] = True

    def log_prob(self) -> Tensor:
        """[N] log-probability of the first scores' tokens at the masked positions, for observers; 0 if none were asked for."""
        if not self._scored:
            return torch.zeros(self.sequence_N.shape, device=self.ids_BL.device)
        where, scores = self._first_scores()
        if where == "masked":
            return scores.log_prob
        asked_N, masked_M = self._overlap(where)
        return scores.log_prob.new_zeros(asked_N.shape).masked_scatter(asked_N, scores.log_prob[masked_M])

    def plain(self, commit_N: Tensor) -> LazyScores | None:
        """Scores of temperature 1, nothing filtered, of some masked positions; None if the sampler asked for no scores."""
        if not self._scored:
            return None
        where, scores = self._first_scores()
        asked_N, masked_M = self._overlap(where)
        return scores.plain(masked_M.masked_scatter(masked_M, commit_N[asked_N]))

    def _first_scores(self) -> tuple[Where, LazyScores]:
        (_, where), scores = next(iter(self._scored.items()))
        return where, scores

    def _overlap(self, where: Where) -> tuple[Tensor, Tensor]:
        """Which of the N masked positions `where` names, and which of those it names are masked."""
        asked_BL, masked_BL = (self._forward.asked(name)[self.rows_B] for name in (where, "masked"))
        return asked_BL[masked_BL], masked_BL[asked_BL]


def views(forward: Forward, clocks: Clocks, *, seed: int, numbers: Tensor) -> list[StepView]:
    """A view for each clock; all share one forward pass."""
    alone = len(clocks) == 1
    return [StepView(forward, rows, clock, alone=alone, seed=seed, numbers=numbers) for clock, rows in sorted(clocks.items())]
