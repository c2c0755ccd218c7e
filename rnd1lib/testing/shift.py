"""What an objective promises together with sampling and likelihood: one shift for all of them."""

from __future__ import annotations

import torch
from torch import Tensor

from rnd1lib.diffusion import IGNORE, cross_entropy, uncorrupted
from rnd1lib.diffusion.likelihood import Method, log_likelihood
from rnd1lib.kinds import Batch, Decision, Noised, Objective, View
from rnd1lib.sampling.generation import infill
from rnd1lib.testing.denoiser import Denoiser
from rnd1lib.testing.examples import MASK, VOCABULARY, WORDS, plain
from rnd1lib.testing.promise import demand, promise

SURE = 40.0
"""The logit of the token that a student is sure of."""


class Student(Denoiser):
    """Has learnt one row by heart from its targets: logit row i names the label at row i, where there was one."""

    def __init__(self, objective: Objective, batch: Batch, noised: Noised) -> None:
        super().__init__(objective.shift)
        self._labels_L = objective.targets(batch, noised).labels_BL[0]

    def rows(self, ids_BL: Tensor, documents_BL: Tensor) -> Tensor:
        """The label, surely; where there was none, a token that is wrong everywhere."""
        named_L = torch.where(self._labels_L == IGNORE, WORDS, self._labels_L)[: ids_BL.shape[1]]
        return SURE * torch.nn.functional.one_hot(named_L, VOCABULARY).double().expand(len(ids_BL), -1, -1)


class AllAtOnce:
    """Fills every gap with the best token in one step."""

    steps, block_length, temperature, top_k, top_p, parity = 1, None, 0.0, None, None, None

    def decide(self, view: View) -> Decision:
        """All of it."""
        tokens_N = view.scores(0.0).token
        return Decision(torch.ones_like(tokens_N, dtype=torch.bool), tokens_N)


def learnt(objective: Objective) -> tuple[list[int], Student]:
    """A text without repetitions in a row, all of it hidden save its first token, and who has learnt it."""
    batch = plain(1, 12)
    text_L = (batch.ids_BL[0] + torch.arange(12) * 5) % WORDS
    batch = batch._replace(ids_BL=text_L[None], maskable_BL=batch.positions_BL > 0)
    masked_BL = batch.positions_BL > 0
    ones_B = torch.ones(1)
    hidden = Noised(batch.ids_BL.masked_fill(masked_BL, MASK), masked_BL, ones_B, ones_B)
    return text_L.tolist(), Student(objective, batch, hidden if objective.corrupts else uncorrupted(batch))


@promise
def sampling_reads_the_row_that_training_scored(objective: Objective) -> None:
    """Who predicts every label surely fills every gap rightly: sampler and loss use the same shift."""
    text, student = learnt(objective)
    (filled,) = infill(student, [[text[0], *[MASK] * 11]], sampler=AllAtOnce()).sequences
    demand(filled == text, f"the text {text} was learnt, {filled} was sampled.")


@promise
def a_single_gap_reads_the_same_row(objective: Objective) -> None:
    """The same for one hidden token among visible ones, wherever it stands."""
    text, student = learnt(objective)
    canvases = [[*text[:place], MASK, *text[place + 1 :]] for place in range(1, 12)]
    for place, filled in enumerate(infill(student, canvases, sampler=AllAtOnce()).sequences, start=1):
        demand(filled == text, f"the gap at {place} was filled with {filled[place]}, learnt was {text[place]}.")


@promise
def likelihood_reads_the_row_that_training_scored(objective: Objective) -> None:
    """log p(text) = 0 for who predicts every label surely, by the bound and along the chain."""
    text, student = learnt(objective)
    methods: tuple[Method, ...] = ("mdm", "iid", "chain")
    for method in methods:
        value = log_likelihood(student, [text[:4]], [text[4:]], samples=8, method=method)
        assert isinstance(value, Tensor)
        demand(abs(float(value)) < 1e-3, f"the log-likelihood by {method} is {float(value):.3f}.")


@promise
def the_mask_token_is_never_a_prediction(objective: Objective) -> None:
    """Its logit is -inf in the loss of objectives that corrupt: loving it costs nothing, and it has no share."""
    logits_NV = torch.zeros(2, VOCABULARY)
    logits_NV[1, MASK] = 100.0
    even, lover = cross_entropy(logits_NV, torch.tensor([3, 3]), MASK if objective.corrupts else None).tolist()
    if objective.corrupts:
        demand(abs(even - lover) < 1e-4, f"a model that loves the mask token loses {lover:.2f} and not {even:.2f}.")
    else:
        demand(lover > 99, "the mask token was ruled out, though nothing is masked.")
