"""What holds for every sampler: batches equal their rows, the given stays, nothing is left masked, no call is wasted."""

import gc
import math
import weakref
from collections import Counter
from dataclasses import dataclass

import pytest
import torch
from counts import chi_square
from hypothesis import given, settings
from hypothesis import strategies as st
from rnd1_plugins.samplers.ancestral import Ancestral
from rnd1_plugins.samplers.dream import Dream
from rnd1_plugins.samplers.factor import Factor
from rnd1_plugins.samplers.left_to_right import LeftToRight
from rnd1_plugins.samplers.llada import Llada
from rnd1_plugins.samplers.options import SamplerOptions
from rnd1_plugins.samplers.rnd1_entropy import Rnd1Entropy
from rnd1_plugins.samplers.threshold import Threshold

from rnd1lib.errors import SamplingError
from rnd1lib.kinds import Decision
from rnd1lib.sampling.generation import generate, infill

SAMPLERS = {
    "entropy": Rnd1Entropy(),
    "entropy in blocks": Rnd1Entropy(steps=7, block_length=4),
    "entropy bounded": Rnd1Entropy(eb_gamma=2.0, block_length=5),
    "entropy, drawn": Rnd1Entropy(steps=6, temperature=1.0, top_p=0.9),
    "low confidence": Llada(steps=6),
    "low confidence in blocks": Llada(block_length=3),
    "random": Llada(steps=6, remasking="random", temperature=1.0),
    "random by quota": Llada(steps=6, remasking="random", parity="llada"),
    "rounded": Llada(steps=8, block_length=4, parity="dllm"),
    "dream at random": Dream(steps=6, temperature=1.0),
    "dream by margin": Dream(alg="topk_margin", block_length=4),
    "dream in a drawn order": Dream(alg="entropy", steps=5, alg_temp=0.5),
    "dream with its rounding": Dream(alg="maskgit_plus", steps=7, parity="dream"),
    "threshold": Threshold(threshold=0.3, block_length=5),
    "factor": Factor(factor=1.2),
    "left to right": LeftToRight(),
    "ancestral": Ancestral(steps=9, temperature=1.0),
}
PROMPTS = [[9, 8, 7, 6, 5, 4, 3, 2, 1], [11], [20, 21, 22, 23]]


@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_a_batch_of_unequal_prompts_equals_one_at_a_time(TableModel, sampler, shift):
    for guidance in (0.0, 1.0):
        together = generate(TableModel(shift=shift), PROMPTS, sampler=sampler, max_new_tokens=10, guidance=guidance, seed=3)
        for number, prompt in enumerate(PROMPTS):
            alone = generate(
                TableModel(shift=shift),
                [prompt],
                sampler=sampler,
                max_new_tokens=10,
                guidance=guidance,
                seed=3,
                numbers=[number],
            )
            assert alone.sequences == [together.sequences[number]]


@settings(deadline=None, max_examples=80)
@given(
    canvases=st.lists(st.lists(st.sampled_from([1, 2, 3, 63]), max_size=14), max_size=4),
    label=st.sampled_from(list(SAMPLERS)),
    shift=st.integers(0, 1),
)
def test_infill_fills_every_gap_and_changes_nothing_else(TableModel, canvases, label, shift):
    canvases = [[5, *canvas] for canvas in canvases]
    model = TableModel(shift=shift)
    done = infill(model, canvases, sampler=SAMPLERS[label])
    for canvas, filled in zip(canvases, done.sequences, strict=True):
        assert [b if a != 63 else 63 for a, b in zip(canvas, filled, strict=True)] == canvas
        assert 63 not in filled
    most = SAMPLERS[label].steps or max((canvas.count(63) for canvas in canvases), default=0)
    assert done.forward_calls == len(done.steps) == len(model.rows_asked) <= most
    committed = torch.tensor([int(step.committed_BL.sum()) for step in done.steps])
    assert (committed > 0).all()
    assert committed.sum() == sum(canvas.count(63) for canvas in canvases)


@settings(deadline=None, max_examples=60)
@given(steps=st.integers(1, 30), masks=st.integers(1, 20), label=st.sampled_from(["entropy", "low confidence"]))
def test_steps_are_an_even_split_of_the_masks(TableModel, steps, masks, label):
    from dataclasses import replace

    done = infill(TableModel(), [[5] + [63] * masks], sampler=replace(SAMPLERS[label], steps=steps))
    committed = [int(step.committed_BL.sum()) for step in done.steps]
    assert done.forward_calls == min(steps, masks)
    assert max(committed) - min(committed) <= 1


def test_canvases_with_other_numbers_of_blocks_share_calls_and_keep_their_own_steps(TableModel):
    canvases, sampler = [[5] + [63] * 9, [5] + [63] * 4], Llada(steps=6, block_length=5)
    together = infill(TableModel(), canvases, sampler=sampler)
    assert together.forward_calls <= 6
    assert together.sequences == [infill(TableModel(), [row], sampler=sampler).sequences[0] for row in canvases]


def test_the_head_is_asked_for_masked_rows_of_the_block_only(TableModel):
    model = TableModel(shift=1)
    generate(model, [[5, 6]], sampler=Llada(block_length=3), max_new_tokens=6)
    assert model.rows_asked == [3, 2, 1, 3, 2, 1]


def test_a_choice_made_without_the_model_asks_the_head_about_nothing_else(TableModel):
    model = TableModel(shift=1)
    generate(model, [[5, 6], [7]], sampler=LeftToRight(steps=3), max_new_tokens=6)
    assert model.rows_asked == [4, 4, 4]
    model = TableModel()
    done = infill(model, [[5] + [63] * 9, [5, 63]], sampler=Ancestral(steps=6), seed=1)
    assert model.rows_asked == [int(step.committed_BL.sum()) for step in done.steps]
    assert done.token_forwards == 10 * len([1 for step in done.steps if step.committed_BL[0].any()]) + 2


def test_rows_that_are_full_leave_the_batch(TableModel):
    model = TableModel()
    infill(model, [[5, 63, 6], [5, 63, 63, 63, 63]], sampler=Rnd1Entropy())
    assert len(model.seen) == 2 + 3


class Ends(SamplerOptions):
    """Commits the leftmost mask, the end-of-text at position 4."""

    parity = None

    def decide(self, view):
        first_N = torch.tensor([position == view.position_N.min() for position in view.position_N])
        token = 62 if view.position_N.min() == 4 else view.scores(0.0).token[0]
        return Decision(first_N, torch.full_like(view.position_N, token))


def test_generate_stops_at_the_end_of_text_and_infill_does_not(TableModel):
    short = generate(TableModel(), [[1, 2]], sampler=Ends(), max_new_tokens=8)
    assert len(short.sequences[0]) == 5 and short.sequences[0][-1] == 62
    assert short.forward_calls == 2
    whole = infill(TableModel(), [[1, 2, *[63] * 8]], sampler=Ends())
    assert len(whole.sequences[0]) == 10 and whole.sequences[0][4] == 62


@dataclass(frozen=True, kw_only=True)
class TwiceOver(SamplerOptions):
    """Commits all, masks the least sure half of it again, as P2 does."""

    parity: str | None = None

    def decide(self, view):
        scores = view.scores(0.0, where="generated")
        places = view.generated_BL.nonzero(as_tuple=True)
        half = len(scores.token) // 2 if view.step + 1 < view.steps else 0
        weak = scores.log_prob.argsort()[:half]
        again_BL = torch.zeros_like(view.generated_BL)
        again_BL[places[0][weak], places[1][weak]] = True
        masked = (view.ids_BL == 63)[places]
        keep_N = ~again_BL[view.sequence_N, view.position_N]
        return Decision(keep_N, scores.token[masked], again_BL)


def test_a_sampler_may_score_and_mask_again_what_it_committed(TableModel):
    model = TableModel(shift=1)
    done = generate(model, [[5, 6]], sampler=TwiceOver(steps=4), max_new_tokens=8)
    assert done.forward_calls == 4
    assert 63 not in done.sequences[0]
    assert [canvas.count(63) for canvas in model.seen] == [8, 4, 4, 4]


class Swaps(SamplerOptions):
    """Commits the left half, then the right half while it masks the left one again."""

    parity = None

    def decide(self, view):
        left_BL = view.generated_BL & (torch.arange(view.ids_BL.shape[1]) < 4)
        left_N = left_BL[view.sequence_N, view.position_N]
        return Decision(left_N if view.step == 0 else ~left_N, view.scores(0.0).token, left_BL if view.step else None)


def test_what_is_masked_again_is_open_in_the_next_call(TableModel):
    model = TableModel()
    done = generate(model, [[5, 6]], sampler=Swaps(steps=3), max_new_tokens=4)
    assert [[token == 63 for token in canvas[2:]] for canvas in model.seen] == [
        [True, True, True, True],
        [False, False, True, True],
        [True, True, False, False],
    ]
    assert 63 not in done.sequences[0]


class Idle(SamplerOptions):
    """Decides nothing, with tokens ready."""

    parity = None

    def decide(self, view):
        return Decision(torch.zeros_like(view.position_N, dtype=torch.bool), view.scores(0.0).token)


def test_the_last_step_commits_what_a_sampler_leaves(TableModel):
    done = generate(TableModel(), [[5]], sampler=Idle(steps=2), max_new_tokens=4)
    assert len(done.sequences[0]) == 5 and 63 not in done.sequences[0]


def test_a_sampler_that_commits_the_mask_token_is_stopped(TableModel):
    class Wrong(Idle):
        def decide(self, view):
            return Decision(torch.ones_like(view.position_N, dtype=torch.bool), torch.full_like(view.position_N, 63))

    with pytest.raises(SamplingError, match="mask token"):
        generate(TableModel(), [[5]], sampler=Wrong(), max_new_tokens=4)


def test_seeds_decide_and_mates_do_not(TableModel):
    def draw(seed, prompts=PROMPTS):
        return generate(TableModel(shift=1), prompts, sampler=SAMPLERS["entropy, drawn"], max_new_tokens=8, seed=seed).sequences

    assert draw(3) == draw(3) != draw(4)
    assert draw(3, PROMPTS[:2]) == draw(3)[:2]
    assert draw(3, [PROMPTS[0]] * 2)[0] != draw(3, [PROMPTS[0]] * 2)[1]


def test_at_temperature_one_a_token_follows_the_models_law(TableModel):
    model, draws = TableModel(), 3000
    canvas = [5, 9, 63, 13]
    logits_V = model.logits(torch.tensor([canvas]))[0, 2]
    logits_V[63] = -torch.inf
    p_V = logits_V.double().softmax(-1)
    seen = Counter(row[2] for row in infill(model, [canvas] * draws, sampler=Rnd1Entropy(temperature=1.0), seed=11).sequences)
    statistic, bound = chi_square(seen, dict(enumerate(p_V.tolist())), draws)
    assert statistic < bound


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
@pytest.mark.parametrize(
    ("options", "log_prob"),
    [
        ({"temperature": 2.0, "top_k": 1, "top_p": None}, 0.0),
        ({"temperature": 2.0, "top_p": 1e-9}, 0.0),
        ({"temperature": 1e6, "top_p": None}, -math.log(63)),
    ],
    ids=["top_k", "top_p", "temperature"],
)
def test_every_sampler_draws_by_the_law_that_its_options_name(TableModel, sampler, options, log_prob):
    done = generate(TableModel(), PROMPTS, sampler=sampler, max_new_tokens=10, **options)
    for step in done.steps:
        assert ((step.log_prob_BL[step.committed_BL] - log_prob).abs() < 1e-3).all()


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_low_confidence_ranks_by_plain_probability_whatever_is_filtered(TableModel, temperature):
    plain, filtered = TableModel(), TableModel()
    infill(plain, [[5] + [63] * 8], sampler=Llada())
    infill(filtered, [[5] + [63] * 8], sampler=Llada(top_k=1, temperature=temperature))
    assert filtered.seen == plain.seen


def test_random_remasking_commits_each_token_with_the_reverse_rate(TableModel):
    done = infill(TableModel(), [[5] + [63] * 30] * 40, sampler=Llada(steps=4, remasking="random"), seed=2)
    shares = [int(step.committed_BL.sum()) / 1200 for step in done.steps]
    assert shares == pytest.approx([0.25] * 4, abs=0.05)


def test_guidance_forgets_all_that_was_given_but_the_first_token_under_shift_1(TableModel):
    for shift, first in ((0, 63), (1, 5)):
        model = TableModel(shift=shift)
        infill(model, [[5, 6, 63, 8]], sampler=Rnd1Entropy(), guidance=1.0)
        assert model.seen == [[5, 6, 63, 8], [first, 63, 63, 63]]


def test_on_step_hears_every_step_with_its_canvas(TableModel):
    heard = []
    done = generate(TableModel(), [[5]], sampler=Llada(steps=3), max_new_tokens=6, on_step=heard.append)
    assert heard == done.steps and [step.number for step in heard] == [0, 1, 2]
    assert [int((step.ids_BL == 63).sum()) for step in heard] == [4, 2, 0]
    for step in heard:
        assert (step.log_prob_BL[step.committed_BL] < 0).all()
        assert (step.log_prob_BL[~step.committed_BL] == 0).all()


@pytest.mark.parametrize("name", ["rnd1_entropy", "llada", "dream", "p2", "left_to_right"])
def test_the_logits_of_a_step_are_gone_before_the_model_is_asked_again(name, TableModel):
    """Without the garbage collector, which would come too late for logits of gigabytes."""

    class Watched(TableModel):
        last = staticmethod(lambda: None)

        def logits(self, ids_BL, *, rows_BL=None, documents_BL=None):
            assert self.last() is None
            logits = super().logits(ids_BL, rows_BL=rows_BL, documents_BL=documents_BL)
            self.last = weakref.ref(logits)
            return logits

    gc.disable()
    try:
        assert len(generate(Watched(), [[1, 2], [3]], sampler=name, max_new_tokens=6, temperature=0.7, seed=1).steps) > 2
    finally:
        gc.enable()
