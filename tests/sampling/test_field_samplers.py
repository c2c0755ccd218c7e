"""Dream's, Fast-dLLM's and the autoregressive sampler: each rule, row by row, and what is refused."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rnd1_plugins.samplers.dream import Dream
from rnd1_plugins.samplers.factor import Factor
from rnd1_plugins.samplers.left_to_right import LeftToRight
from rnd1_plugins.samplers.threshold import Threshold

from rnd1lib.sampling.generation import generate, infill

CONFIDENT = {"threshold": Threshold(threshold=0.3), "factor": Factor(factor=1.0)}


class Fixed:
    """The same logits whatever it reads, for every row; remembers what it read."""

    mask_token_id, eos_token_id, pad_token_id, bos_token_id = 39, None, None, None

    def __init__(self, logits_LV, shift=0):
        self.logits_LV, self.shift, self.seen = logits_LV, shift, []

    def logits(self, ids_BL, *, rows_BL=None, documents_BL=None):
        self.seen.extend(ids_BL.tolist())
        logits_BLV = self.logits_LV[: ids_BL.shape[1]].expand(len(ids_BL), -1, -1)
        return logits_BLV if rows_BL is None else logits_BLV[rows_BL]


@pytest.mark.parametrize("eps", [0.0, 0.4])
def test_origin_commits_each_mask_alone_at_the_rate_of_its_times(TableModel, eps):
    done = infill(TableModel(), [[5] + [63] * 30] * 40, sampler=Dream(alg="origin", steps=4, eps=eps), seed=2)
    shares = [int(step.committed_BL.sum()) / 1200 for step in done.steps]
    assert shares == pytest.approx([(1 - eps) / 4] * 3 + [(1 - eps) / 4 + eps], abs=0.05)


@pytest.mark.parametrize("alg", ["maskgit_plus", "topk_margin", "entropy"])
def test_with_alg_temp_the_first_position_is_drawn_from_the_softmax_of_the_confidences(alg):
    logits_LV = torch.randn(5, 40, generator=torch.Generator().manual_seed(4)) * 3
    draws, alg_temp = 4000, 0.5
    done = infill(Fixed(logits_LV), [[1, 39, 39, 39, 39]] * draws, sampler=Dream(alg=alg, steps=4, alg_temp=alg_temp), seed=9)
    first_4 = done.steps[0].committed_BL[:, 1:].double().mean(0)
    p_4V = logits_LV[1:, :39].double().softmax(-1)
    best_42 = p_4V.topk(2).values
    confidence_4 = {
        "maskgit_plus": best_42[:, 0],
        "topk_margin": best_42[:, 0] - best_42[:, 1],
        "entropy": (p_4V * p_4V.log()).sum(-1),
    }[alg]
    expected_4 = (confidence_4 / alg_temp).softmax(0)
    assert (first_4 - expected_4).abs().max() < 4 * (0.25 / draws) ** 0.5
    assert expected_4.max() - expected_4.min() > 0.05 and len(done.steps) == 4


@pytest.mark.parametrize("alg", ["maskgit_plus", "topk_margin", "entropy"])
def test_an_alg_temp_near_0_takes_the_best_as_none_does(TableModel, alg):
    runs = [
        infill(TableModel(), [[5] + [63] * 12], sampler=Dream(alg=alg, steps=5, alg_temp=alg_temp), seed=1)
        for alg_temp in (None, 0.0, 1e-7, 1e-300)
    ]
    assert all([step.ids_BL.tolist() for step in run.steps] == [step.ids_BL.tolist() for step in runs[0].steps] for run in runs)


@settings(deadline=None, max_examples=40)
@given(steps=st.integers(1, 30), masks=st.integers(1, 20), alg=st.sampled_from(["maskgit_plus", "topk_margin", "entropy"]))
def test_dream_splits_the_masks_evenly_unless_it_copies_dreams_rounding(TableModel, steps, masks, alg):
    done = infill(TableModel(), [[5] + [63] * masks], sampler=Dream(alg=alg, steps=steps))
    committed = [int(step.committed_BL.sum()) for step in done.steps]
    assert done.forward_calls == min(steps, masks)
    assert max(committed) - min(committed) <= 1


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**6), level=st.floats(0, 1), label=st.sampled_from(list(CONFIDENT)))
def test_confident_samplers_commit_what_their_rule_says_row_by_row(seed, level, label):
    logits_LV = torch.randn(9, 40, generator=torch.Generator().manual_seed(seed)) * 4
    sampler = Threshold(threshold=level) if label == "threshold" else Factor(factor=2 * level)
    canvases = [[1] + [39] * 8, [1] + [39] * 5]
    first = infill(Fixed(logits_LV), canvases, sampler=sampler).steps[0].committed_BL
    for row, masks in ((0, 8), (1, 5)):
        p_N = logits_LV[1 : masks + 1, :39].softmax(-1).amax(-1)
        falling = p_N.sort(descending=True).values.tolist()
        if label == "threshold":
            number = max(1, sum(p >= level for p in falling))
        else:
            number = max([1, *(n for n in range(1, masks + 1) if (n + 1) * (1 - falling[n - 1]) <= 2 * level)])
        close = any(abs(p - level) < 1e-5 or abs((n + 2) * (1 - p) - 2 * level) < 1e-4 for n, p in enumerate(falling))
        best = {int(i) + 1 for i in p_N.argsort(descending=True)[:number]}
        assert close or set(first[row].nonzero()[:, 0].tolist()) == best


def test_a_probability_of_exactly_the_threshold_is_enough():
    halves_LV = torch.full((4, 40), -1000.0).index_fill(1, torch.tensor([3, 8]), 0.0)
    assert infill(Fixed(halves_LV), [[1, 39, 39, 39]], sampler=Threshold(threshold=0.5)).forward_calls == 1


@pytest.mark.parametrize("shift", [0, 1])
def test_confident_samplers_take_fewer_steps_the_less_sure_they_need_be(TableModel, shift):
    def calls(sampler):
        return generate(TableModel(shift=shift), [[5, 9]], sampler=sampler, max_new_tokens=12).forward_calls

    assert calls(Threshold(threshold=0.0)) == calls(Factor(factor=40.0)) == 1
    assert calls(Threshold(threshold=1.0)) > calls(Threshold(threshold=0.3))
    assert calls(Factor(factor=0.0)) > calls(Factor(factor=1.5))


def test_left_to_right_is_autoregressive_decoding_of_a_causal_model():
    table_VV = torch.randn(40, 40, generator=torch.Generator().manual_seed(1))

    class Bigram(Fixed):
        def logits(self, ids_BL, *, rows_BL=None, documents_BL=None):
            self.seen.extend(ids_BL.tolist())
            return table_VV[ids_BL] if rows_BL is None else table_VV[ids_BL[rows_BL]]

    plain = [7]
    for _ in range(10):
        plain.append(int(table_VV[plain[-1], :39].argmax()))
    model = Bigram(None, shift=1)
    assert generate(model, [[7]], sampler=LeftToRight(), max_new_tokens=10).sequences == [plain]
    assert [canvas.index(39) for canvas in model.seen] == list(range(1, 11))


@pytest.mark.parametrize(("steps", "calls"), [(3, 3), (7, 7), (20, 7), (None, 7)])
def test_left_to_right_commits_an_even_share_from_the_left(TableModel, steps, calls):
    model = TableModel(shift=1)
    done = infill(model, [[5, 63, 63, 63, 8, 63, 63, 63, 63]], sampler=LeftToRight(steps=steps))
    assert done.forward_calls == calls
    for before, after in zip([*model.seen], [*model.seen[1:], done.sequences[0]], strict=True):
        first = before.index(63)
        changed = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
        masked = [i for i, token in enumerate(before) if token == 63]
        assert changed[0] == first and changed == masked[: len(changed)]


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (Threshold, {"threshold": 1.5}, "threshold: 1.5"),
        (Threshold, {"threshold": float("nan")}, "threshold: nan"),
        (Factor, {"factor": -1.0}, "factor: -1.0"),
        (Factor, {"factor": float("inf")}, "factor: inf"),
        (Dream, {"alg_temp": -0.1}, "alg_temp: -0.1"),
        (Dream, {"eps": 1.0}, "eps: 1.0"),
        (Dream, {"steps": 0}, "steps: 0"),
    ],
)
def test_a_value_outside_its_range_is_named(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(**options)
