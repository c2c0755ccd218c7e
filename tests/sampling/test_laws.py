"""Every sampler, drawing, follows its law: chi-square over whole runs, canvas after canvas, against an enumeration.

The bound is the quantile of one in a million: that is how often a right sampler would fail under a fresh seed; seeds are fixed.
"""

import math
from collections import Counter

import pytest
import torch
from counts import chi_square
from enumerated import MASK, START, Joint, alone, any_of, best, canvases, even, in_turn, texts
from rnd1_plugins.noise.cosine import Cosine
from rnd1_plugins.samplers.ancestral import Ancestral
from rnd1_plugins.samplers.dream import Dream
from rnd1_plugins.samplers.factor import Factor
from rnd1_plugins.samplers.left_to_right import LeftToRight
from rnd1_plugins.samplers.llada import Llada
from rnd1_plugins.samplers.p2 import P2
from rnd1_plugins.samplers.rnd1_entropy import Rnd1Entropy
from rnd1_plugins.samplers.threshold import Threshold

from rnd1lib.sampling.generation import infill

ROWS = 8_000
MASKS = START.count(MASK)


def keep_least_sure(masks, step, steps):
    """RND1's quota: floor(M (N - k) / N) stay masked after step k."""
    return masks * (steps - step) // steps - masks * (steps - step - 1) // steps


def dreams_two(masks, step, steps):
    """Dream's quota of three masks in two steps: int(3 (1 - s/t)) = 1 with eps 1e-3, then the other two."""
    return 1 + step


def surest(look):
    """P2: all but the floor(M (N - k) / N) least sure of every generated place."""
    stay = MASKS * (look.steps - look.step - 1) // look.steps
    yield frozenset(sorted(look.places, key=look.confidence)[stay:]), 1.0


def bounded(gamma):
    """The longest run of places, surest token first, with sum H - max H <= gamma."""

    def choose(look):
        order = sorted(look.places, key=lambda place: -look.confidence(place))
        entropies = [look.entropy(place) for place in order]
        fits = [n for n in range(1, len(order) + 1) if sum(entropies[:n]) - max(entropies[:n]) <= gamma]
        yield frozenset(order if look.step + 1 == look.steps else order[: max(fits)]), 1.0

    return choose


def passing(level):
    """The places whose n-th highest probability is at least level(n), the first in any case."""

    def choose(look):
        order = sorted(look.places, key=lambda place: -look.confidence(place))
        passed = [place for n, place in enumerate(order, 1) if n == 1 or look.confidence(place) >= level(n)]
        yield frozenset(passed), 1.0

    return choose


def drawn_entropy(look, place):
    return sum(p * math.log(p) for p in look.law[place] if p)


def drawn_confidence(look, place):
    return look.law[place][look.tokens[place]]


def drawn_margin(look, place):
    second, first = sorted(look.law[place])[-2:]
    return first - second


def reverse(hidden):
    """Filled with probability 1 - hidden(s) / hidden(t), for times from 1 to 0 in equal steps."""
    return alone(lambda step, steps: 1 - hidden(1 - (step + 1) / steps) / hidden(1 - step / steps))


def entropy(look, place):
    return -look.entropy(place)


def margin(look, place):
    return look.margin(place)


def confidence(look, place):
    return look.confidence(place)


COSINE = Cosine(eps=0.0)
OTHER_ORDER = {"dream topk_margin": 28, "dream margin as dream": 28}  # joint laws in which temperature changes the order
LOW = {"temperature": 0.4, "top_k": 2}
HIGH = {"temperature": 2.0}
BOTH = {"temperature": 2.0, "top_k": 2, "top_p": 0.6}
FLAT = {"temperature": 3.0, "top_p": 0.7}
LAWS = {
    "rnd1_entropy": (Rnd1Entropy, {}, best(entropy, keep_least_sure), 3),
    "rnd1_entropy in two steps": (Rnd1Entropy, LOW, best(entropy, keep_least_sure), 2),
    "rnd1_entropy as rnd1": (Rnd1Entropy, LOW | {"parity": "rnd1"}, best(drawn_entropy, keep_least_sure), 3),
    "rnd1_entropy bounded": (Rnd1Entropy, HIGH | {"eb_gamma": 1.0}, bounded(1.0), 3),
    "llada": (Llada, {}, best(confidence), 3),
    "llada in two steps": (Llada, FLAT, best(confidence), 2),
    "llada at random": (Llada, {"remasking": "random"}, reverse(lambda t: t), 3),
    "llada at random by quota": (Llada, HIGH | {"remasking": "random", "parity": "llada"}, any_of(), 2),
    "dream": (Dream, HIGH | {"eps": 0.2}, alone(lambda k, n: 1.0 if k + 1 == n else 0.8 / n / (1 - 0.8 * k / n)), 3),
    "dream maskgit_plus": (Dream, LOW | {"alg": "maskgit_plus"}, best(confidence), 3),
    "dream topk_margin": (Dream, HIGH | {"alg": "topk_margin"}, best(margin), 3),
    "dream entropy": (Dream, LOW | {"alg": "entropy"}, best(entropy), 3),
    "dream maskgit_plus in a drawn order": (
        Dream, HIGH | {"alg": "maskgit_plus", "alg_temp": 0.3}, in_turn(lambda look, i: look.confidence(i) / 0.3), 2,
    ),
    "dream entropy in a drawn order": (
        Dream, {"alg": "entropy", "alg_temp": 0.02}, in_turn(lambda look, i: -look.entropy(i) / 0.02), 3,
    ),
    "dream maskgit_plus as dream": (
        Dream, FLAT | {"alg": "maskgit_plus", "parity": "dream"}, best(drawn_confidence, dreams_two), 2,
    ),
    "dream margin as dream": (Dream, HIGH | {"alg": "topk_margin", "parity": "dream"}, best(drawn_margin, dreams_two), 2),
    "dream entropy as dream": (Dream, LOW | {"alg": "entropy", "parity": "dream"}, best(drawn_entropy, dreams_two), 2),
    "dream with both filters as dream": (
        Dream, BOTH | {"alg": "maskgit_plus", "parity": "dream"}, best(drawn_confidence, dreams_two), 2,
    ),
    "threshold": (Threshold, HIGH | {"threshold": 0.5}, passing(lambda n: 0.5), 3),
    "factor": (Factor, LOW | {"factor": 1.2}, passing(lambda n: 1 - 1.2 / (n + 1)), 3),
    "ancestral": (Ancestral, {}, reverse(lambda t: math.sin(math.pi * t / 2)), 3),
    "ancestral, filtered": (Ancestral, LOW, reverse(lambda t: math.sin(math.pi * t / 2)), 2),
    "p2": (P2, {}, surest, 3),
    "p2, filtered": (P2, FLAT, surest, 2),
    "left_to_right": (LeftToRight, {}, best(lambda look, i: -i), 3),
    "left_to_right in two steps": (LeftToRight, HIGH, best(lambda look, i: -i), 2),
}  # fmt: skip


def filling_law(options):
    return {"temperature": 1.0} | {key: value for key, value in options.items() if key in ("temperature", "top_k", "top_p")}


@pytest.mark.parametrize("label", LAWS)
def test_whole_runs_follow_the_law_of_the_sampler(label):
    kind, options, choose, steps = LAWS[label]
    model, law = Joint(COSINE if kind is Ancestral else None, OTHER_ORDER.get(label, 2)), filling_law(options)
    done = infill(model, [list(START)] * ROWS, sampler=kind(steps=steps, **(options | law)), seed=17)
    assert len(done.steps) == steps
    after_SBL = torch.stack([step.ids_BL for step in done.steps])
    runs_BSL = after_SBL.transpose(0, 1).tolist()
    seen = Counter(tuple(map(tuple, run)) for run in runs_BSL)
    expected = canvases(model, choose, steps, law | {"of_all": options.get("parity") == "dream"}, everywhere=kind is P2)
    statistic, bound = chi_square(seen, expected, ROWS)
    print(f"{label}: chi-square {statistic:.1f}, bound {bound:.1f}")
    assert statistic < bound


@pytest.mark.parametrize(
    "choose",
    [best(lambda look, i: -i), best(entropy), best(margin), any_of(), in_turn(entropy)],
    ids=["left to right", "entropy", "margin", "any", "entropy in turn"],
)
def test_one_token_a_step_in_an_order_that_ignores_the_draws_is_the_models_own_law(choose):
    model = Joint()
    given = {text: p for text, p in model.law.items() if text[2] == START[2]}
    law = texts(model, choose, MASKS, {})
    assert all(math.isclose(law[text], p / sum(given.values()), abs_tol=1e-12) for text, p in given.items())


def test_ancestral_sampling_approaches_the_models_own_law_as_one_over_the_steps():
    model = Joint()
    given = {text: p for text, p in model.law.items() if text[2] == START[2]}
    linear = reverse(lambda t: t)
    laws = {steps: texts(model, linear, steps, {}) for steps in (1, 4, 16, 64)}
    far = {n: sum(abs(law[text] - p / sum(given.values())) for text, p in given.items()) for n, law in laws.items()}
    assert all(3 < far[n] / far[4 * n] < 5 for n in (4, 16)) and far[1] > 10 * far[64]
    done = infill(model, [list(START)] * ROWS, sampler=Ancestral(steps=64, temperature=1.0), seed=3)
    statistic, bound = chi_square(Counter(map(tuple, done.sequences)), laws[64], ROWS)
    assert statistic < bound
    statistic, bound = chi_square(Counter(map(tuple, done.sequences)), laws[1], ROWS)
    assert statistic > bound


def test_even_quotas_are_split_with_the_larger_ones_first():
    assert [even(10, step, 4) for step in range(4)] == [3, 3, 2, 2]
    assert [keep_least_sure(10, step, 4) for step in range(4)] == [3, 2, 3, 2]
