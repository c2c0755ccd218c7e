"""Each objective scores the right tokens at the right rows with the right weights."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rnd1_plugins.objectives.a2d_shift import A2dShift
from rnd1_plugins.objectives.autoregressive import Autoregressive
from rnd1_plugins.objectives.mdlm import Mdlm
from safetensors.torch import load_file

from rnd1lib.kinds import Batch, Noised, Objective


def example(seed, rows=3, width=12):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, 60, (rows, width), generator=generator)
    documents = (torch.rand(rows, width, generator=generator) < 0.3).long().cumsum(1)
    maskable = torch.rand(rows, width, generator=generator) < 0.8
    masked = maskable & (torch.rand(rows, width, generator=generator) < 0.5)
    times = torch.rand(rows, generator=generator) * 0.9 + 0.1
    batch = Batch(ids, maskable, documents, torch.zeros_like(ids))
    return batch, Noised(ids.masked_fill(masked, 63), masked, times, 1 / times)


def scored_plainly(batch, noised, shift, weigh):
    """(row, label, weight) of every masked token, written out one by one."""
    found = {}
    for b, i in noised.masked_BL.nonzero().tolist():
        starts = i == 0 or batch.documents_BL[b, i] != batch.documents_BL[b, i - 1]
        if not (shift and starts):
            found[b, i - shift] = (batch.ids_BL[b, i].item(), weigh(b))
    return found


def scored(targets):
    rows = ((targets.labels_BL != -100) & (targets.weights_BL != 0)).nonzero().tolist()
    return {(b, i): (targets.labels_BL[b, i].item(), targets.weights_BL[b, i].item()) for b, i in rows}


@pytest.mark.parametrize(("kind", "shift"), [(Mdlm, 0), (A2dShift, 1)])
@given(seed=st.integers(0, 10**6))
def test_exactly_the_masked_tokens_are_scored_at_the_rows_that_predict_them(kind, shift, seed):
    batch, noised = example(seed)
    plain = scored_plainly(batch, noised, shift, lambda b: noised.weight_B[b].item())
    ours = scored(kind().targets(batch, noised))
    assert ours.keys() == plain.keys()
    assert all(ours[place] == pytest.approx(plain[place]) for place in plain)


@given(seed=st.integers(0, 10**6))
def test_weight_mean_gives_each_row_with_scored_tokens_a_sum_of_one(seed):
    batch, noised = example(seed)
    for objective in (Mdlm(weight="mean"), A2dShift(weight="mean")):
        sums = objective.targets(batch, noised).weights_BL.sum(1)
        assert all(abs(total - 1) < 1e-5 or total == 0 for total in sums.tolist())
        assert objective.counts == "rows"


@given(seed=st.integers(0, 10**6))
def test_normalise_answer_divides_by_the_length_of_the_answer(seed):
    batch, noised = example(seed)
    plain, answer = (Mdlm(normalise=n).targets(batch, noised).weights_BL for n in ("maskable", "answer"))
    lengths = batch.maskable_BL.sum(1, keepdim=True)
    assert torch.allclose(answer * lengths, plain, rtol=1e-5)


@given(seed=st.integers(0, 10**6))
def test_autoregressive_scores_every_maskable_token_from_its_left_in_its_document(seed):
    batch, noised = example(seed)
    everything = noised._replace(masked_BL=batch.maskable_BL)
    assert scored(Autoregressive().targets(batch, noised)).keys() == scored_plainly(batch, everything, 1, lambda b: 1.0).keys()


@pytest.mark.parametrize("objective", [Mdlm(), A2dShift(), Autoregressive()])
def test_every_objective_fulfils_its_contract(objective):
    assert isinstance(objective, Objective)
    assert (objective.shift, objective.corrupts) == {
        Mdlm: (0, True),
        A2dShift: (1, True),
        Autoregressive: (1, False),
    }[type(objective)]


def test_uniform_weights_are_one():
    batch, noised = example(0)
    weights = Mdlm(weight="uniform").targets(batch, noised).weights_BL
    assert torch.equal(weights, noised.masked_BL.float())


def cart_plainly(batch, noised, b, n, p):
    """The weight of one masked token, summed over the visible ones of its document."""
    places = range(batch.ids_BL.shape[1])
    near = [k for k in places if not noised.masked_BL[b, k] and batch.documents_BL[b, k] == batch.documents_BL[b, n]]
    return sum(0.5 * p * (1 - p) ** (abs(n - k) - 1) for k in near)


@pytest.mark.parametrize(("kind", "shift"), [(Mdlm, 0), (A2dShift, 1)])
@given(seed=st.integers(0, 10**6), p=st.floats(0.01, 1), width=st.integers(1, 12))
def test_cart_weighs_a_token_by_what_is_visible_near_it_in_its_document(kind, shift, seed, p, width):
    batch, noised = example(seed, width=width)
    weights = kind(weight="cart", cart_p=p).targets(batch, noised).weights_BL
    for b, i in noised.masked_BL.nonzero().tolist():
        if (i and batch.documents_BL[b, i] == batch.documents_BL[b, i - 1]) or not shift:
            assert weights[b, i - shift].item() == pytest.approx(cart_plainly(batch, noised, b, i, p), abs=1e-6)


@pytest.mark.goldens
@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
def test_cart_gives_dreams_weights(goldens, p):
    peer = load_file(goldens / "dllm/golden_loss.safetensors")
    ids, masked = peer["input_ids"], peer["cart/masked"].bool()
    batch = Batch(ids, torch.ones_like(masked), torch.zeros_like(ids), torch.zeros_like(ids))
    noised = Noised(ids.masked_fill(masked, 39), masked, torch.full((3,), 0.5), torch.full((3,), 2.0))
    weights = Mdlm(weight="cart", cart_p=p).targets(batch, noised).weights_BL
    assert torch.allclose(weights[masked], peer[f"cart/weight_p{p}"][masked], atol=1e-6)
    assert (weights[~masked] == 0).all()


@pytest.mark.parametrize("p", [0.0, 1.5, float("nan")])
def test_a_cart_p_outside_its_range_is_refused(p):
    with pytest.raises(ValueError, match=r"cart_p: .*outside"):
        A2dShift(cart_p=p)
