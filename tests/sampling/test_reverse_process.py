"""The reverse process follows the schedule and the model's law; P2 keeps the surest of all it has generated."""

from collections import Counter
from itertools import pairwise

import pytest
import torch
from counts import chi_square
from hypothesis import given, settings
from hypothesis import strategies as st
from rnd1_plugins.noise.cosine import Cosine
from rnd1_plugins.samplers.ancestral import Ancestral
from rnd1_plugins.samplers.p2 import P2

from rnd1lib.sampling.generation import generate, infill

MASK = 63


@pytest.mark.parametrize("noise", [None, Cosine(eps=0.0)], ids=repr)
def test_ancestral_fills_at_the_rate_of_the_schedule(TableModel, noise):
    model = TableModel()
    model.noise = noise
    done = infill(model, [[5] + [MASK] * 30] * 40, sampler=Ancestral(steps=4), seed=2)
    hidden = [1.0, 0.75, 0.5, 0.25, 0.0]
    if noise is not None:
        hidden = [float(1 - noise.alpha(torch.tensor(t))) for t in hidden]
    shares = [int(step.committed_BL.sum()) / 1200 for step in done.steps]
    assert shares == pytest.approx([a - b for a, b in pairwise(hidden)], abs=0.05)


def test_ancestral_samples_of_two_tokens_follow_the_models_law(TableModel):
    model, draws, steps = TableModel(), 3000, 30

    def law(canvases, place):
        logits_RV = model.logits(torch.tensor(canvases))[:, place].double()
        logits_RV[:, MASK] = -torch.inf
        return logits_RV.softmax(-1)

    first_V = law([[5, MASK, MASK, 9]], 1)[0, :MASK]
    alone_V = law([[5, MASK, MASK, 9]], 2)[0]
    after_V = first_V @ law([[5, token, MASK, 9] for token in range(MASK)], 2)
    together = 1 / steps  # the chance that both are filled at once
    p_V = (1 + together) / 2 * alone_V + (1 - together) / 2 * after_V
    rows = infill(TableModel(), [[5, MASK, MASK, 9]] * draws, sampler=Ancestral(steps=steps, temperature=1.0), seed=4).sequences
    seen = Counter(row[2] for row in rows)
    statistic, bound = chi_square(seen, dict(enumerate(p_V.tolist())), draws)
    assert statistic < bound


def p2_plainly(model, canvas, places, steps):
    """One row, one block, at temperature 0: the canvases after each step."""
    canvas, seen = list(canvas), []
    for step in range(steps):
        logits_LV = model.logits(torch.tensor([canvas]))[0].float()
        logits_LV[:, MASK] = -torch.inf
        log_p_LV = logits_LV.log_softmax(-1)
        sure = {place: float(log_p_LV[place].max()) for place in places}
        again = sorted(places, key=sure.get)[: len(places) * (steps - step - 1) // steps]
        for place in places:
            if place in again:
                canvas[place] = MASK
            elif canvas[place] == MASK:
                canvas[place] = int(log_p_LV[place].argmax())
        seen.append(list(canvas))
    return seen


@settings(deadline=None, max_examples=30)
@given(steps=st.integers(1, 14), given_tokens=st.lists(st.sampled_from([1, 2, 3, MASK, MASK]), min_size=2, max_size=12))
def test_p2_is_the_rule_written_out(TableModel, steps, given_tokens):
    canvas = [5, MASK, *given_tokens]
    places = [i for i, token in enumerate(canvas) if token == MASK]
    done = infill(TableModel(), [canvas], sampler=P2(steps=steps))
    plain = p2_plainly(TableModel(), canvas, places, steps)
    needed = next(number for number, row in enumerate(plain, start=1) if MASK not in row)
    assert [step.ids_BL[0].tolist() for step in done.steps] == plain[:needed]
    assert done.forward_calls == needed <= steps


def test_p2_masks_again_what_it_committed(TableModel):
    canvases = [step.ids_BL[0].tolist() for step in infill(TableModel(), [[5] + [MASK] * 20], sampler=P2(steps=10)).steps]
    pairs = pairwise(canvases)
    assert any(a != MASK and b == MASK for before, after in pairs for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("sampler", [P2(steps=6), P2(steps=6, block_length=4, temperature=1.0)], ids=["whole", "blocks"])
def test_p2_on_a_batch_of_unequal_prompts_equals_one_at_a_time(TableModel, sampler, shift):
    prompts = [[9, 8, 7, 6, 5], [11], [20, 21, 22]]
    together = generate(TableModel(shift=shift), prompts, sampler=sampler, max_new_tokens=10, seed=3)
    assert together.forward_calls <= 6
    for number, prompt in enumerate(prompts):
        alone = generate(TableModel(shift=shift), [prompt], sampler=sampler, max_new_tokens=10, seed=3, numbers=[number])
        assert alone.sequences == [together.sequences[number]]
        assert together.sequences[number][: len(prompt)] == prompt and MASK not in together.sequences[number]
