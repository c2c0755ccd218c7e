"""Statistics against plain definitions, draws against the model's law, in chunks and at the edges of float32."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from rnd1lib.sampling import scores as module
from rnd1lib.sampling.scores import PLAIN, Law, LazyScores

DREAM = Path(__file__).parents[1] / "goldens" / "dream" / "golden_sample_tokens.safetensors"


def scores_of(logits_NV, law=PLAIN, mask_token_id=0, uniform_N=None):
    uniform_N = torch.zeros(len(logits_NV)) if uniform_N is None else uniform_N
    return LazyScores(logits_NV, mask_token_id, law, lambda: uniform_N)


def plain_law(logits_V, law, mask_token_id=0):
    """Probabilities by the definition, one row in float64: temperature, the k best, the smallest set with top_p."""
    logits = [z if token != mask_token_id else -math.inf for token, z in enumerate(logits_V.double().tolist())]
    temperature = law.temperature or 1.0
    order = sorted(range(len(logits)), key=lambda token: -logits[token])[: law.top_k]
    weights = {token: math.exp((logits[token] - logits[order[0]]) / temperature) for token in order}
    kept, share = {}, 0.0
    for token in order:
        if law.top_p is None or share < law.top_p:
            kept[token] = weights[token]
        share += weights[token] / sum(weights.values())
    return {token: weight / sum(kept.values()) for token, weight in kept.items()}


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 1000),
    temperature=st.sampled_from([0.0, 0.3, 1.0, 2.5]),
    top_k=st.sampled_from([None, 1, 2, 5, 99]),
    top_p=st.sampled_from([None, 0.1, 0.5, 0.93, 1.0]),
)
def test_every_statistic_is_what_its_definition_says(seed, temperature, top_k, top_p):
    logits_NV = torch.randn(4, 12, generator=torch.Generator().manual_seed(seed)) * 3
    law = Law(temperature, top_k, top_p)
    scores = scores_of(logits_NV, law, uniform_N=torch.tensor([0.0, 0.3, 0.6, 0.999]))
    for row in range(4):
        kept, plain = plain_law(logits_NV[row], law), plain_law(logits_NV[row], Law())
        token = scores.token[row].item()
        first, second = sorted([*kept.values(), 0.0], reverse=True)[:2]
        assert token in kept
        assert scores.log_prob[row].item() == pytest.approx(math.log(kept[token]), abs=1e-4)
        assert scores.plain_log_prob[row].item() == pytest.approx(math.log(plain[token]), abs=1e-4)
        assert scores.entropy[row].item() == pytest.approx(-sum(p * math.log(p) for p in kept.values() if p), abs=1e-4)
        assert scores.margin[row].item() == pytest.approx(first - second, abs=1e-5)
        if temperature == 0:
            assert token == max(plain, key=plain.get)


@pytest.mark.parametrize("law", [Law(1.0), Law(0.7, top_k=5), Law(1.5, top_p=0.8)], ids=str)
def test_drawn_tokens_follow_the_law(law):
    draws, logits_V = 20_000, torch.tensor([9.0, 1.0, 0.5, 0.0, 2.0, -1.0, -2.0, 1.5])
    uniform_N = (torch.randperm(draws, generator=torch.Generator().manual_seed(1)) + 0.5) / draws
    token_N = scores_of(logits_V.expand(draws, -1), law, uniform_N=uniform_N).token
    expected = {token: p for token, p in plain_law(logits_V, law).items() if p}
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
    monkeypatch.setattr(module, "ELEMENTS", 14)
    parts = scores_of(logits_NV, Law(1.0), uniform_N=torch.linspace(0, 0.99, 11))
    for name in ("token", "log_prob", "plain_log_prob", "entropy", "margin"):
        assert torch.equal(getattr(whole, name), getattr(parts, name))


def test_the_entropy_first_and_the_token_cost_one_pass_over_the_vocabulary(monkeypatch):
    passes = []
    keep = module.keep
    monkeypatch.setattr(module, "keep", lambda odds, law: passes.append(law) or keep(odds, law))
    scores = scores_of(torch.randn(3, 9))
    assert passes == []
    assert (scores.entropy, scores.token, scores.log_prob, scores.plain_log_prob) and len(passes) == 1
    assert scores.margin is not None and len(passes) == 2


def test_a_nucleus_of_one_token_is_certain_and_has_no_entropy():
    scores = scores_of(torch.tensor([[0.0, 8.0, 1.0, 0.5]]), Law(1.0, top_p=0.1), uniform_N=torch.tensor([0.9]))
    assert (scores.token.item(), scores.log_prob.item(), scores.entropy.item(), scores.margin.item()) == (1, 0, 0, 1)


@pytest.mark.parametrize("temperature", [0.0, 1e-6, 1e-300, 1.0, 1e9])
def test_extreme_logits_and_temperatures_stay_finite(temperature):
    logits_NV = torch.tensor([[3e38, -3e38, 0.0, 1e30], [0.0, -torch.inf, -torch.inf, 5.0]])
    scores = scores_of(logits_NV, Law(temperature), mask_token_id=3, uniform_N=torch.tensor([0.5, 0.5]))
    for name in ("log_prob", "plain_log_prob", "entropy", "margin"):
        assert torch.isfinite(getattr(scores, name)).all()
    assert 3 not in scores.token


def test_the_models_logits_are_left_as_they_were():
    logits_NV = torch.randn(3, 5)
    before_NV = logits_NV.clone()
    assert scores_of(logits_NV).entropy.shape == (3,)
    assert torch.equal(logits_NV, before_NV)


@pytest.mark.parametrize("temperature", [2.5, 1e9])
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
