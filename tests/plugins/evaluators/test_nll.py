"""`nll` against a plain computation, on a model that is a table."""

from types import SimpleNamespace

import pytest
import torch
from rnd1_plugins.evaluators.nll import HELD_OUT_SEED, Nll
from rnd1_plugins.noise.cosine import Cosine
from rnd1_plugins.noise.linear import Linear
from rnd1_plugins.objectives.a2d_shift import A2dShift
from rnd1_plugins.objectives.autoregressive import Autoregressive
from rnd1_plugins.objectives.mdlm import Mdlm

from rnd1lib.diffusion import Draws, corrupt
from rnd1lib.kinds import Batch

WORDS, MASK, LENGTH = 11, 10, 16
OBJECTIVES = [
    Mdlm(),
    A2dShift(),
    Autoregressive(),
    Mdlm(weight="mean"),
    A2dShift(normalise="answer"),
    Autoregressive(normalise="answer"),
]


class Table:
    """Logits that depend on the token at the row and on the position; knows of two batches of three rows."""

    def __init__(self, objective):
        self.objective, self.noise, self.mask_token_id = objective, Cosine(), MASK  # a noise that must play no part
        generator = torch.Generator().manual_seed(3)
        self.table_VV = torch.randn(WORDS, WORDS, generator=generator)
        self.place_LV = torch.randn(LENGTH, WORDS, generator=generator)
        self.batches = [(first, self.rows(generator)) for first in (0, 3)]
        self.batches[1][1].maskable_BL[2] = False  # what fills up the last batch

    def rows(self, generator):
        ids_BL = torch.randint(0, MASK, (3, LENGTH), generator=generator)
        documents_BL = (torch.arange(LENGTH) >= 7).long().expand(3, LENGTH)
        positions_BL = torch.where(documents_BL == 1, torch.arange(LENGTH) - 7, torch.arange(LENGTH))
        maskable_BL = (torch.rand(3, LENGTH, generator=generator) > 0.1) & (positions_BL > 0)
        return Batch(ids_BL, maskable_BL, documents_BL, positions_BL)

    def held_out(self, rows, data=None):
        return iter(self.batches)

    def sum(self, values):
        return values

    def whole_logits(self, ids_BL):
        return self.table_VV[ids_BL] + self.place_LV

    def training_logits(self, ids_BL, batch, rows_BL):
        return self.whole_logits(ids_BL)[rows_BL]


def plain(model, rows):
    """Token by token: -log p(x) / t, over the maskable tokens."""
    total = count = 0.0
    shift, kind = model.objective.shift, model.objective
    for first, batch in model.batches:
        if kind.corrupts:
            draws = Draws(seed=HELD_OUT_SEED, step=0, first_row=first, global_rows=rows)
            noised = corrupt(batch, Linear(), draws, MASK)
            ids_BL, masked_BL = noised.ids_BL, noised.masked_BL
        else:
            ids_BL, masked_BL = batch.ids_BL, batch.maskable_BL
        logits_BLV = model.whole_logits(ids_BL).double()
        if kind.corrupts:
            logits_BLV[..., MASK] = -torch.inf
        log_probs_BLV = logits_BLV.log_softmax(-1)
        for b in range(3):
            count += float(batch.maskable_BL[b].sum())
            for i in range(LENGTH):
                if masked_BL[b, i] and not (shift and batch.positions_BL[b, i] == 0):
                    weight = 1 / float(noised.t_B[b]) if kind.corrupts else 1.0
                    total -= weight * float(log_probs_BLV[b, i - shift, batch.ids_BL[b, i]])
    return total / count


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_it_is_the_plain_sum_whatever_the_recipes_weights_and_noise_and_the_same_on_every_call(objective):
    model, nll = Table(objective), Nll(rows=5)
    first = nll.evaluate(model, step=0)
    assert first == {"nll": pytest.approx(plain(model, 5), rel=1e-5)}
    assert nll.evaluate(model, step=999) == first


def test_no_document_sees_another():
    model, seen = Table(Mdlm()), []
    plain_logits = model.training_logits
    model.training_logits = lambda ids_BL, batch, rows_BL: (
        seen.append(batch.documents_BL),
        plain_logits(ids_BL, batch, rows_BL),
    )[1]
    Nll(rows=5).evaluate(model, step=0)
    assert len(seen) == 2 and all(
        torch.equal(given, batch.documents_BL) for given, (_, batch) in zip(seen, model.batches, strict=True)
    )


def test_a_model_that_knows_the_text_has_less():
    model = Table(Autoregressive())
    before = Nll(rows=5).evaluate(model, step=0)["nll"]
    batch = model.batches[0][1]
    model.table_VV, model.place_LV = torch.zeros(WORDS, WORDS), torch.zeros(LENGTH, WORDS)
    even = Nll(rows=5).evaluate(model, step=0)["nll"]
    assert even == pytest.approx(torch.tensor(float(WORDS)).log().item(), rel=1e-6) and even < before
    model.table_VV = 50 * torch.nn.functional.one_hot(torch.arange(1, WORDS + 1) % MASK, WORDS).float()
    counting = (torch.arange(LENGTH) % MASK).expand(3, LENGTH)
    model.batches = [(0, batch._replace(ids_BL=counting))]
    assert Nll(rows=3).evaluate(model, step=0)["nll"] < 1e-6


def test_nothing_to_score_is_zero_and_no_division_by_it():
    model = Table(Mdlm())
    for _, batch in model.batches:
        batch.maskable_BL[:] = False
    assert Nll(rows=5).evaluate(model, step=0) == {"nll": 0.0}


def test_its_own_data_and_rows_are_asked_for():
    asked, source = [], object()
    model = SimpleNamespace(held_out=lambda *given: asked.append(given) or iter(()), sum=lambda values: values)
    assert Nll(rows=7, data=source).evaluate(model, step=0) == {"nll": 0.0} and asked == [(7, source)]


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match=r"^rows: 0 is below 1"):
        Nll(rows=0)
