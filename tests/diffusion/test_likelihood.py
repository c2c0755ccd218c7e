"""The bound against its enumeration, the chain against a plain computation, LLaDA's own losses, and bad arguments."""

import json
from itertools import combinations
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rnd1lib.diffusion.likelihood import log_likelihood
from rnd1lib.diffusion.loss import cross_entropy
from rnd1lib.diffusion.prediction import predict
from rnd1lib.errors import SamplingError

GOLDENS = Path(__file__).parents[1] / "goldens" / "llada"
PROMPT, ANSWER = [12, 0, 59, 10, 25], [29, 26, 18, 29, 16, 9, 11]


def losses(model, prompt, answer, masked):
    """Cross entropies of the masked places of an answer, one model call, no code of ours."""
    start, text = len(prompt), [*prompt, *answer]
    noisy = [63 if place - start in masked else token for place, token in enumerate(text)]
    logits_LV = model.logits(torch.tensor([noisy]))[0].double()
    logits_LV[:, 63] = -torch.inf
    return [-logits_LV.log_softmax(-1)[start + place - model.shift, answer[place]].item() for place in sorted(masked)]


def enumerated(model, prompt, answer):
    """The mean over k uniform and all sets of k places of A / k times the sum of losses, and one draw's deviation."""
    size = len(answer)
    sets = [set(places) for k in range(1, size + 1) for places in combinations(range(size), k)]
    odds = [1 / size / len(list(combinations(range(size), len(places)))) for places in sets]
    values = [size / len(places) * sum(losses(model, prompt, answer, places)) for places in sets]
    mean = sum(p * value for p, value in zip(odds, values, strict=True))
    return -mean, sum(p * (value - mean) ** 2 for p, value in zip(odds, values, strict=True)) ** 0.5


@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("method", ["mdm", "iid"])
def test_both_estimators_tend_to_the_enumerated_bound(TableModel, shift, method):
    exact, deviation = enumerated(TableModel(shift=shift), PROMPT, ANSWER)
    value_N, error_N = log_likelihood(
        TableModel(shift=shift), [PROMPT], [ANSWER], samples=2048, method=method, return_error=True
    )
    assert abs(value_N.item() - exact) < 4 * max(deviation / 2048**0.5, error_N.item())
    if method == "mdm":
        assert error_N.item() == pytest.approx(deviation / 2048**0.5, rel=0.2)


def test_the_enumeration_is_the_one_of_the_goldens(TableModel):
    known = json.loads((GOLDENS / "golden_loglik.json").read_text())["exact_by_enumeration_over_all_127_masks"]
    assert enumerated(TableModel(), PROMPT, ANSWER)[0] == pytest.approx(known, abs=1e-3)


@pytest.mark.parametrize("method", ["mdm", "chain"])
def test_the_mask_token_takes_nothing_from_an_answers_probability(TableModel, method):
    value_N = log_likelihood(TableModel(bias="b_mask"), [PROMPT], [ANSWER[:1]], method=method, samples=1)
    (loss,) = losses(TableModel(bias="b_mask"), PROMPT, ANSWER[:1], {0})
    assert value_N.item() == pytest.approx(-loss, abs=1e-3)


@pytest.mark.parametrize("shift", [0, 1])
def test_the_chain_scores_each_token_after_those_before_it(TableModel, shift):
    exact = -sum(losses(TableModel(shift=shift), PROMPT, ANSWER, set(range(n, 7)))[0] for n in range(7))
    value_N, error_N = log_likelihood(TableModel(shift=shift), [PROMPT], [ANSWER], method="chain", return_error=True)
    assert value_N.item() == pytest.approx(exact, abs=1e-3)
    assert error_N.item() == 0


@pytest.mark.goldens
@pytest.mark.parametrize(("name", "guidance"), [("mc16_b4", 0.0), ("mc6_b3_cfg", 1.5)])
def test_losses_under_masks_and_guidance_are_lladas(TableModel, name, guidance):
    golden = load_file(GOLDENS / "golden_loglik.safetensors")
    batches = [golden[f"{name}/{key}"] for key in ("perturbed", "weighted_token_loss", "p_mask")]
    for noisy_BL, weighted_BL, p_BL in zip(*batches, strict=True):
        masked_BL = noisy_BL == 63
        given_BL = torch.arange(12).expand_as(masked_BL) < 5
        logits_NV = predict(TableModel(), noisy_BL, masked_BL, given_BL=given_BL, guidance=guidance)
        ours_N = cross_entropy(logits_NV, torch.tensor([PROMPT + ANSWER]).expand_as(noisy_BL)[masked_BL], 63)
        assert torch.allclose(ours_N / p_BL[masked_BL], weighted_BL[masked_BL].float(), atol=1e-3)


def test_guidance_changes_the_estimate(TableModel):
    plain, guided = (log_likelihood(TableModel(), [PROMPT], [ANSWER], samples=8, guidance=w).item() for w in (0.0, 1.5))
    assert plain != guided


@pytest.mark.parametrize("method", ["mdm", "iid", "chain"])
def test_unequal_pairs_in_one_batch_equal_each_pair_in_its_own_number(TableModel, method):
    prompts, answers = [PROMPT, [], [7]], [ANSWER, [3, 4], [1, 2, 3, 4]]
    together_N = log_likelihood(TableModel(shift=1), prompts, answers, samples=8, method=method)
    for number in range(3):
        others = [[9] if n != number else prompts[n] for n in range(3)]
        alone_N = log_likelihood(TableModel(shift=1), others, answers, samples=8, method=method)
        assert alone_N[number].item() == pytest.approx(together_N[number].item(), abs=1e-3)


def test_pairs_share_forward_passes(TableModel):
    model = TableModel()
    log_likelihood(model, [PROMPT] * 5, [[1], [2], [3], [4], [5]], samples=1)
    assert len(model.rows_asked) == 1
    assert model.rows_asked[0] == 5


def test_the_head_is_asked_for_scored_rows_only(TableModel):
    model = TableModel(shift=1)
    log_likelihood(model, [PROMPT], [ANSWER], method="chain")
    assert sum(model.rows_asked) == len(ANSWER)


def test_the_seed_decides(TableModel):
    first, again, other = (log_likelihood(TableModel(), [PROMPT], [ANSWER], samples=16, seed=seed).item() for seed in (1, 1, 2))
    assert first == again != other


def test_counts_are_spread_so_that_few_samples_are_enough_for_a_short_answer(TableModel):
    exact, _ = enumerated(TableModel(), PROMPT, ANSWER[:1])
    assert log_likelihood(TableModel(), [PROMPT], [ANSWER[:1]], samples=1).item() == pytest.approx(exact, abs=1e-3)


def test_nothing_to_score_is_certain(TableModel):
    assert log_likelihood(TableModel(), [], []).shape == (0,)
    assert log_likelihood(TableModel(), [PROMPT], [[]], samples=3).tolist() == [0]


@pytest.mark.parametrize(
    "change",
    [{"samples": 0}, {"method": "exact"}, {"guidance": float("nan")}, {"prompts": []}, {"answers": [[63]]}, {"answers": ["a"]}],
    ids=str,
)
def test_bad_arguments_are_refused_in_a_sentence(TableModel, change):
    with pytest.raises(SamplingError, match=r".{15}"):
        log_likelihood(TableModel(), **{"prompts": [PROMPT], "answers": [ANSWER], **change})
