"""Statistics against plain definitions, draws against the model's law, in chunks and at the edges of float32."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, assume, currently_in_test_context, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from rnd1lib.errors import NumericalError
from rnd1lib.sampling import scores as module
from rnd1lib.sampling.law import BLOCK, SHORT, Law
from rnd1lib.sampling.scores import PLAIN, LazyScores

DREAM = Path(__file__).parents[1] / "goldens" / "dream" / "golden_sample_tokens.safetensors"


def scores_of(logits_NV, law=PLAIN, mask_token_id=0, uniform_N=None):
    uniform_N = torch.zeros(len(logits_NV)) if uniform_N is None else uniform_N
    return LazyScores(logits_NV, mask_token_id, law, lambda: uniform_N)


def defined(logits_V, law, mask_token_id=0):
    """Probabilities [V] by the definition, one row in float64: temperature, the k best, the smallest set with top_p."""
    odds_V = logits_V.double().index_fill(0, torch.tensor([mask_token_id]), -torch.inf)
    odds_V = (odds_V - odds_V.max()) / (max(law.temperature, 1e-8) if law.temperature else 1.0)
    order_V = odds_V.argsort(descending=True, stable=True)
    if law.top_k is not None:
        odds_V[order_V[law.top_k :]] = -torch.inf
    if law.top_p is not None and law.top_p < 1:
        before_V = odds_V.softmax(0)[order_V].cumsum(0) - odds_V.softmax(0)[order_V]
        if currently_in_test_context():
            assume(bool(((before_V - law.top_p).abs() > 1e-5).all()))  # else rounding decides, and either set is right
        odds_V[order_V[before_V >= law.top_p]] = -torch.inf
    return odds_V.softmax(0)


@st.composite
def rows_of_logits(draw):
    """[N, V] and the mask token: flat, peaked and extreme, with ties and impossible tokens, over one block and several."""
    rows = draw(st.integers(0, 4))
    vocabulary = draw(st.sampled_from([2, 3, 12, 255, SHORT, SHORT + 1, SHORT + BLOCK, 2047]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 1000)))
    logits_NV = torch.randn(rows, vocabulary, generator=generator) * draw(st.sampled_from([0.0, 1.0, 4.0, 1e4]))
    if draw(st.booleans()):
        logits_NV = logits_NV.round()
    mask_token_id = draw(st.integers(0, vocabulary - 1))
    if draw(st.booleans()):
        logits_NV[torch.rand(logits_NV.shape, generator=generator) < 0.3] = -torch.inf
        logits_NV[:, (mask_token_id + 1) % vocabulary] = 1.0
    return logits_NV.to(draw(st.sampled_from([torch.float32, torch.bfloat16]))), mask_token_id


LAWS = st.builds(
    Law,
    temperature=st.sampled_from([0.0, 0.3, 1.0, 2.5]),
    top_k=st.sampled_from([None, None, 1, 2, 5, 3000]),
    top_p=st.sampled_from([None, None, 1e-20, 0.1234, 0.517, 0.931, 1.0]),
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.filter_too_much])
@given(rows=rows_of_logits(), law=LAWS, first=st.permutations(["token", "log_prob", "plain_log_prob", "entropy", "margin"]))
def test_every_statistic_is_what_its_definition_says_whichever_is_read_first(rows, law, first):
    logits_NV, mask_token_id = rows
    uniform_N = torch.tensor([0.0, 0.3, 0.6, 1 - 2**-24])[: len(logits_NV)]
    scores = scores_of(logits_NV, law, mask_token_id, uniform_N)
    values = {name: getattr(scores, name).tolist() for name in first}
    assert {len(value) for value in values.values()} == {len(logits_NV)}
    for row, logits_V in enumerate(logits_NV):
        kept_V, plain_V = defined(logits_V, law, mask_token_id), defined(logits_V, PLAIN, mask_token_id)
        token = values["token"][row]
        assert token != mask_token_id and logits_V[token] > -torch.inf
        tied_V = logits_V == logits_V[token]  # of tokens that are equally likely a filter may keep any
        log_prob = kept_V[tied_V].max().log().item()
        assert values["log_prob"][row] == pytest.approx(log_prob, abs=2e-4, rel=1e-4)
        assert values["plain_log_prob"][row] == pytest.approx(plain_V[token].log().item(), abs=2e-4, rel=1e-4)
        entropy = -torch.special.xlogy(kept_V, kept_V).sum().item()
        assert values["entropy"][row] == pytest.approx(entropy, abs=2e-4)
        two = kept_V.topk(2).values.tolist()
        assert values["margin"][row] == pytest.approx(two[0] - two[1], abs=1e-5)
        if law.temperature == 0:
            assert token == logits_V.index_fill(0, torch.tensor([mask_token_id]), -torch.inf).argmax()
        elif law.top_k is None:
            below_V = kept_V.cumsum(0)
            assert (
                below_V[token] - kept_V[tied_V].sum() - 1e-5 <= uniform_N[row] <= below_V[token] + kept_V[tied_V].sum() + 1e-5
            )


@pytest.mark.parametrize("law", [Law(1.0), Law(0.7, top_k=5), Law(1.5, top_p=0.8)], ids=str)
def test_drawn_tokens_follow_the_law(law):
    draws, logits_V = 20_000, torch.tensor([9.0, 1.0, 0.5, 0.0, 2.0, -1.0, -2.0, 1.5])
    uniform_N = (torch.randperm(draws, generator=torch.Generator().manual_seed(1)) + 0.5) / draws
    token_N = scores_of(logits_V.expand(draws, -1), law, uniform_N=uniform_N).token
    expected = {token: p for token, p in enumerate(defined(logits_V, law).tolist()) if p}
    assert set(token_N.tolist()) == set(expected)
    seen = token_N.bincount(minlength=8)
    assert sum((seen[token].item() - draws * p) ** 2 / (draws * p) for token, p in expected.items()) < 0.1  # even uniforms


@pytest.mark.goldens
@pytest.mark.parametrize(("name", "law"), [("plain", Law()), ("topk", Law(top_k=4)), ("topp", Law(top_p=0.8))])
def test_filtered_confidences_are_dreams(name, law):
    golden = load_file(DREAM)
    logits_NV = torch.nn.functional.pad(golden["logits"], (1, 0), value=50.0)  # token 0 is a mask token that is loved
    scores = scores_of(logits_NV, law)
    assert (scores.token - 1).tolist() == golden[f"{name}/x0"].tolist()
    assert torch.allclose(scores.log_prob.exp(), golden[f"{name}/confidence"].float(), atol=1e-5)


def test_chunks_change_nothing(monkeypatch):
    logits_NV = torch.randn(11, 7, generator=torch.Generator().manual_seed(0))
    whole = scores_of(logits_NV, Law(1.0), uniform_N=torch.linspace(0, 0.99, 11))
    monkeypatch.setattr(module, "ELEMENTS_OF_CPU", 14)
    parts = scores_of(logits_NV, Law(1.0), uniform_N=torch.linspace(0, 0.99, 11))
    for name in ("token", "log_prob", "plain_log_prob", "entropy", "margin"):
        assert torch.equal(getattr(whole, name), getattr(parts, name))


def test_the_entropy_first_and_the_token_cost_one_pass_over_the_vocabulary(monkeypatch):
    passes = []
    keep = module.keep
    monkeypatch.setattr(module, "keep", lambda *given: passes.append(given) or keep(*given))
    scores = scores_of(torch.randn(3, 9))
    assert passes == []
    assert (scores.entropy, scores.token, scores.log_prob, scores.plain_log_prob) and len(passes) == 1
    assert scores.margin is not None and len(passes) == 2


def test_a_nucleus_of_one_token_is_certain_and_has_no_entropy():
    scores = scores_of(torch.tensor([[0.0, 8.0, 1.0, 0.5]]), Law(1.0, top_p=0.1), uniform_N=torch.tensor([0.9]))
    assert (scores.token.item(), scores.log_prob.item(), scores.entropy.item(), scores.margin.item()) == (1, 0, 0, 1)


@pytest.mark.parametrize("temperature", [0.0, 1e-6, 1e-300, 1.0, 1e9, 1e300])
def test_extreme_logits_and_temperatures_stay_finite(temperature):
    logits_NV = torch.tensor([[3e38, -3e38, 0.0, 1e30], [0.0, -torch.inf, -torch.inf, 5.0]])
    scores = scores_of(logits_NV, Law(temperature), mask_token_id=3, uniform_N=torch.tensor([0.5, 0.5]))
    for name in ("log_prob", "plain_log_prob", "entropy", "margin"):
        assert torch.isfinite(getattr(scores, name)).all()
    assert 3 not in scores.token


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
@pytest.mark.parametrize("vocabulary", [4, SHORT + 1])
def test_logits_that_are_no_numbers_are_told_of(wrong, vocabulary):
    logits_NV = torch.zeros(2, vocabulary)
    logits_NV[1, -1] = wrong
    with pytest.raises(NumericalError, match="not finite"):
        _ = scores_of(logits_NV, Law(1.0)).token


def test_the_models_logits_are_left_as_they_were():
    logits_NV = torch.randn(3, 5)
    before_NV = logits_NV.clone()
    assert scores_of(logits_NV).entropy.shape == (3,)
    assert torch.equal(logits_NV, before_NV)


@pytest.mark.parametrize("temperature", [2.5, 1e9, 1e300])
def test_no_temperature_brings_the_mask_token_back(temperature):
    scores = scores_of(torch.tensor([[9.0, 1.0, 2.0]]), Law(temperature), uniform_N=torch.tensor([0.0]))
    assert scores.token.item() == 1
    assert scores.entropy.item() <= math.log(2) + 1e-6


@pytest.mark.parametrize("law", [PLAIN, Law(0.3, top_k=2), Law(2.0, top_p=0.5)], ids=str)
def test_the_best_tokens_are_those_of_the_plain_law_whatever_is_drawn_from(law):
    logits_NV = torch.tensor([[9.0, 1.0, 3.0, 2.0, -torch.inf]])
    ids_Nk, probability_Nk = scores_of(logits_NV, law).best(3)
    assert ids_Nk.tolist() == [[2, 3, 1]]
    assert torch.allclose(probability_Nk, torch.tensor([[3.0, 2.0, 1.0]]).exp() / (math.e + math.e**2 + math.e**3))


def test_a_vocabulary_without_k_words_gives_all_but_the_mask_token():
    ids_Nk, probability_Nk = scores_of(torch.tensor([[1.0, 9.0, 2.0]]), mask_token_id=1).best(5)
    assert ids_Nk.tolist() == [[2, 0]] and probability_Nk.sum().item() == pytest.approx(1)


def test_a_chunk_that_is_cut_short_and_the_borders_of_blocks_hide_no_token(monkeypatch):
    """The best token at each border of a block, more rows than a chunk has, and fewer in the last one."""
    monkeypatch.setattr(module, "ELEMENTS_OF_CPU", 3 * 2048)
    places = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, SHORT, 2044, 2045]
    logits_NV = torch.zeros(len(places), 2046)
    for row, place in enumerate(places):
        logits_NV[row, place], logits_NV[row, (place + BLOCK) % 2046] = 9.0, 8.0
    scores = scores_of(logits_NV, mask_token_id=100)
    assert scores.token.tolist() == places
    assert scores.best(2)[0].tolist() == [[place, (place + BLOCK) % 2046] for place in places]
    assert torch.allclose(scores.margin, (math.exp(9) - math.exp(8)) / (logits_NV[:1].exp().sum() - 1), atol=1e-6)


def test_more_tokens_than_blocks_are_the_best_ones_too():
    logits_NV = torch.randn(2, 4096, generator=torch.Generator().manual_seed(0))
    logits_NV[:, 0] = 99.0
    for k in (1, 15, 16, 17, 300, 9999):
        ids_Nk = scores_of(logits_NV).best(k)[0]
        assert ids_Nk.unique(dim=1).shape == (2, min(k, 4095))
        assert torch.allclose(logits_NV.gather(1, ids_Nk), logits_NV[:, 1:].topk(min(k, 4095)).values, atol=1e-6)


def test_nothing_asked_about_has_empty_scores():
    scores = scores_of(torch.zeros(0, 2000), Law(0.5, top_p=0.5))
    assert [getattr(scores, name).shape for name in ("margin", "token", "log_prob", "plain_log_prob", "entropy")] == [(0,)] * 5
    assert [part.shape for part in scores.best(5)] == [(0, 5), (0, 5)]


@pytest.mark.parametrize("vocabulary", [50, 2000])
def test_rare_tokens_of_a_large_vocabulary_are_drawn_as_often_as_they_should_be(vocabulary):
    draws, logits_V = 40_000, torch.randn(vocabulary, generator=torch.Generator().manual_seed(3)) * 2
    uniform_N = (torch.arange(draws) + 0.5) / draws
    token_N = scores_of(logits_V.expand(draws, -1), Law(1.0), uniform_N=uniform_N).token
    shares_V = token_N.bincount(minlength=vocabulary) / draws
    assert (shares_V - defined(logits_V, Law(1.0))).abs().max() <= 1.1 / draws
