"""The whole loss of every weight with every denominator against its formula, token by token in double precision."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rnd1_plugins.objectives.a2d_shift import A2dShift
from rnd1_plugins.objectives.autoregressive import Autoregressive
from rnd1_plugins.objectives.mdlm import Mdlm

from rnd1lib.diffusion import cross_entropy, denominator
from rnd1lib.kinds import Batch, Noised

ROWS, WIDTH, WORDS, MASK = 3, 10, 12, 11
SHIFTED = pytest.mark.parametrize(("kind", "shift"), [(Mdlm, 0), (A2dShift, 1)])


def packed(seed):
    """Packed rows in which even the first tokens of documents may be masked, some prompts, a row that is all prompt."""
    generator = torch.Generator().manual_seed(seed)

    def chance(p, *shape):
        return torch.rand(shape or (ROWS, WIDTH), generator=generator) < p

    ids = torch.randint(0, MASK, (ROWS, WIDTH), generator=generator)
    documents = chance(0.3).long().cumsum(1)
    maskable = chance(0.8) & chance(0.9, ROWS, 1)
    masked = maskable & chance(0.6)
    weight = torch.rand(*((ROWS,) if seed % 2 else (ROWS, WIDTH)), generator=generator) * 4 + 1
    batch = Batch(ids, maskable, documents, torch.zeros_like(ids))
    logits = torch.randn(ROWS, WIDTH, WORDS, generator=generator) * 2
    return batch, Noised(ids.masked_fill(masked, MASK), masked, 1 / weight, weight), logits


def begins(batch, b, i):
    """Whether token i of row b has no left neighbour in its document."""
    return i == 0 or bool(batch.documents_BL[b, i] != batch.documents_BL[b, i - 1])


def plain_nll(logits_V, token, banned):
    """-log softmax, with the banned word left out of the sum."""
    words = [logits_V[word].double().item() for word in range(WORDS) if word != banned]
    top = max(words)
    return top + math.log(sum(math.exp(word - top) for word in words)) - logits_V[token].double().item()


def plain_weight(batch, noised, tokens, b, i, objective):
    if objective.weight == "schedule":
        return noised.weight_B[b].flatten()[i if noised.weight_B.ndim > 1 else 0].item()
    if objective.weight == "mean":
        return 1 / sum(row == b for row, _ in tokens)
    if objective.weight == "cart":
        same = [k for k in range(WIDTH) if batch.documents_BL[b, k] == batch.documents_BL[b, i]]
        seen = [k for k in same if not noised.masked_BL[b, k]]
        return sum(objective.cart_p * (1 - objective.cart_p) ** (abs(i - k) - 1) / 2 for k in seen)
    return 1.0


def plain_loss(batch, noised, logits, objective):
    """Sum over scored tokens of weight * -log p, over the count that `normalise` names."""
    shift = objective.shift
    tokens = [(b, i) for b, i in noised.masked_BL.nonzero().tolist() if not (shift and begins(batch, b, i))]
    total = 0.0
    for b, i in tokens:
        weight = plain_weight(batch, noised, tokens, b, i, objective)
        answer = batch.maskable_BL[b].sum().item() if objective.normalise == "answer" else 1
        total += weight / answer * plain_nll(logits[b, i - shift], batch.ids_BL[b, i], MASK)
    by_rows = objective.weight == "mean" or objective.normalise == "answer"
    tokens_counted = noised.masked_BL if objective.normalise == "masked" else batch.maskable_BL
    return total / max(1, ROWS if by_rows else tokens_counted.sum().item())


def our_loss(batch, noised, logits, objective, never):
    targets = objective.targets(batch, noised)
    scored = (targets.labels_BL != -100) & (targets.weights_BL != 0)
    nll = cross_entropy(logits[scored], targets.labels_BL[scored], never)
    return ((nll * targets.weights_BL[scored]).sum() / denominator(objective, batch, noised).clamp(min=1)).item()


@SHIFTED
@pytest.mark.parametrize("weight", ["schedule", "uniform", "mean", "cart"])
@pytest.mark.parametrize("normalise", ["maskable", "masked", "answer"])
@settings(max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_every_weight_with_every_denominator_is_its_formula(kind, shift, weight, normalise, seed):
    objective = kind(weight=weight, normalise=normalise, cart_p=0.3)
    batch, noised, logits = packed(seed)
    expected = plain_loss(batch, noised, logits, objective)
    assert our_loss(batch, noised, logits, objective, MASK) == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("normalise", ["maskable", "answer"])
@given(seed=st.integers(0, 10**6))
def test_the_autoregressive_loss_is_its_formula(normalise, seed):
    batch, noised, logits = packed(seed)
    total = 0.0
    for b, i in batch.maskable_BL.nonzero().tolist():
        if not begins(batch, b, i):
            answer = batch.maskable_BL[b].sum().item() if normalise == "answer" else 1
            total += plain_nll(logits[b, i - 1], batch.ids_BL[b, i], None) / answer
    expected = total / (ROWS if normalise == "answer" else max(1, batch.maskable_BL.sum().item()))
    ours = our_loss(batch, noised, logits, Autoregressive(normalise=normalise), None)
    assert ours == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("objective", [A2dShift(), A2dShift(weight="mean"), A2dShift(weight="cart"), Autoregressive()], ids=str)
@given(seed=st.integers(0, 10**6))
def test_under_the_shift_no_row_is_asked_for_a_documents_first_token_and_no_row_looks_around_the_end(objective, seed):
    batch, noised, _ = packed(seed)
    everything = torch.ones(ROWS, WIDTH, dtype=torch.bool)
    batch, noised = batch._replace(maskable_BL=everything), noised._replace(masked_BL=everything)
    labels, weights = objective.targets(batch, noised)
    for b in range(ROWS):
        assert labels[b, -1] == -100 and weights[b, -1] == 0
        for i in range(WIDTH - 1):
            next_begins = begins(batch, b, i + 1)
            assert labels[b, i] == (-100 if next_begins else batch.ids_BL[b, i + 1])
            assert not (next_begins and weights[b, i])


@given(seed=st.integers(0, 10**6))
def test_without_a_shift_position_zero_and_first_tokens_are_asked_for_like_all_others(seed):
    batch, noised, _ = packed(seed)
    everything = torch.ones(ROWS, WIDTH, dtype=torch.bool)
    labels, weights = Mdlm().targets(batch._replace(maskable_BL=everything), noised._replace(masked_BL=everything))
    assert torch.equal(labels, batch.ids_BL) and (weights > 0).all()


@SHIFTED
@given(seed=st.integers(0, 10**6))
def test_a_packed_row_scores_a_document_as_if_it_stood_alone(kind, shift, seed):
    batch, noised, _ = packed(seed)
    targets = kind().targets(batch, noised)
    for b in range(ROWS):
        for document in batch.documents_BL[b].unique():
            place = (batch.documents_BL[b] == document).nonzero()[:, 0]
            part = slice(int(place[0]), int(place[-1]) + 1)
            alone = Batch(*(field[b : b + 1, part] for field in batch))
            weight = noised.weight_B[b : b + 1] if noised.weight_B.ndim == 1 else noised.weight_B[b : b + 1, part]
            masked = noised.masked_BL[b : b + 1, part]
            by_itself = kind().targets(alone, Noised(noised.ids_BL[b : b + 1, part], masked, 1 / weight, weight))
            assert torch.equal(by_itself.labels_BL[0], targets.labels_BL[b, part])
            assert torch.equal(by_itself.weights_BL[0], targets.weights_BL[b, part])
