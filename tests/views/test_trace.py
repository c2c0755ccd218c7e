"""A trace holds what the steps did, exactly; watching changes no token and costs no forward pass."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rnd1_plugins.samplers.ancestral import Ancestral
from rnd1_plugins.samplers.llada import Llada
from rnd1_plugins.samplers.p2 import P2
from rnd1_plugins.samplers.rnd1_entropy import Rnd1Entropy
from rnd1_plugins.samplers.threshold import Threshold

from rnd1lib.kinds import Decision
from rnd1lib.sampling.generation import generate, infill
from rnd1lib.testing.denoiser import Table
from rnd1lib.views import Given, Observers, Recorder

SAMPLERS = {
    "entropy in blocks": Rnd1Entropy(steps=7, block_length=4),
    "low confidence, drawn": Llada(steps=6, temperature=1.0, top_p=0.9),
    "random": Llada(steps=6, remasking="random"),
    "threshold": Threshold(threshold=0.3, block_length=5),
    "ancestral": Ancestral(steps=9, temperature=1.0),
    "p2": P2(steps=5),
    "p2, drawn, in blocks": P2(steps=8, block_length=4, temperature=1.0),
}
PROMPTS = [[9, 8, 7, 6, 5], [11], [20, 21, 22]]


def replayed(trace):
    """The canvases after each line, by the trace alone."""
    canvases = [list(given.ids) for given in trace.header.canvases]
    for line in trace.lines:
        for row, position in line.masked_again:
            canvases[row][position] = trace.header.mask_token_id
        for row, position, token in zip(line.row, line.position, line.id, strict=True):
            assert canvases[row][position] == trace.header.mask_token_id
            canvases[row][position] = token
        yield [list(row) for row in canvases]


def canvases_of(step):
    return [row[:length] for row, length in zip(step.ids_BL.tolist(), step.lengths_B.tolist(), strict=True)]


@settings(deadline=None, max_examples=60)
@given(
    canvases=st.lists(st.lists(st.sampled_from([1, 2, 3, 63]), max_size=14), max_size=3),
    label=st.sampled_from(list(SAMPLERS)),
    shift=st.integers(0, 1),
    guidance=st.sampled_from([0.0, 1.0]),
)
def test_a_trace_replayed_gives_the_canvases_of_the_steps(TableModel, canvases, label, shift, guidance):
    recorder, canvases = Recorder(), [[5, *canvas] for canvas in canvases]
    done = infill(TableModel(shift), canvases, sampler=SAMPLERS[label], guidance=guidance, on_step=recorder)
    (trace,) = recorder.traces
    assert trace == done.trace()
    assert list(replayed(trace)) == [canvases_of(step) for step in done.steps]
    assert trace.header.canvases == [Given(number, canvas) for number, canvas in enumerate(canvases)]
    assert {token for line in trace.lines for token in line.id} <= set(trace.pieces())


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_watching_changes_no_token_and_costs_no_forward_pass(TableModel, sampler):
    alone, watched, recorder = TableModel(1), TableModel(1), Recorder()
    plain = generate(alone, PROMPTS, sampler=sampler, max_new_tokens=9, seed=4)
    seen = generate(watched, PROMPTS, sampler=sampler, max_new_tokens=9, seed=4, on_step=Observers(recorder))
    assert seen.sequences == plain.sequences
    assert watched.seen == alone.seen and watched.rows_asked == alone.rows_asked
    assert (seen.forward_calls, seen.token_forwards) == (plain.forward_calls, plain.token_forwards)
    assert all(step.details is None for step in plain.steps)
    assert all(line.entropy for line in recorder.traces[0].lines if line.row)


@pytest.mark.parametrize("sampler", [Llada(steps=4, temperature=2.0, top_k=3), P2(steps=4)], ids=["llada", "p2"])
def test_details_are_those_of_the_plain_law_at_the_committed_places(TableModel, sampler):
    model, recorder, canvas = TableModel(), Recorder(), [5, 63, 63, 8, 63, 63, 63]
    infill(model, [canvas], sampler=sampler, on_step=recorder)
    (trace,) = recorder.traces
    for before, line in zip([[canvas], *replayed(trace)], trace.lines, strict=False):
        logits_LV = model.logits(torch.tensor(before))[0]
        logits_LV[:, 63] = -torch.inf
        p_CV = logits_LV[line.position].softmax(-1)
        entropy_C = -(p_CV * p_CV.log().clamp(min=-200)).sum(-1)
        torch.testing.assert_close(torch.tensor(line.entropy), entropy_C, rtol=1e-4, atol=1e-4)
        best = p_CV.topk(5)
        assert [[token for token, _ in top] for top in line.top] == best.indices.tolist()
        known = torch.tensor([[p for _, p in top] for top in line.top])
        torch.testing.assert_close(known, best.values, rtol=1e-4, atol=1e-6)


def test_greedy_tokens_have_the_probability_of_the_best(TableModel):
    recorder = Recorder()
    infill(TableModel(), [[5, *[63] * 6]], sampler=Llada(), on_step=recorder)
    for line in recorder.traces[0].lines:
        assert [top[0][0] for top in line.top] == line.id
        assert [top[0][1] for top in line.top] == pytest.approx(line.probability, rel=1e-4)


def test_the_header_says_what_was_asked_for():
    recorder = Recorder()
    generate(Table(1), [[3, 1], [4]], sampler="llada", steps=2, max_new_tokens=3, seed=7, numbers=[5, 2], on_step=recorder)
    header = recorder.traces[0].header
    assert (header.model, header.tokenizer, header.sampler, header.seed) == ("Table", "Words", "llada", 7)
    assert header.options["steps"] == 2 and header.options["remasking"] == "low_confidence"
    assert (header.shift, header.mask_token_id, header.guidance, header.exact) == (1, Table.mask_token_id, 0.0, True)
    assert header.canvases[0] == Given(5, [3, 1, *[Table.mask_token_id] * 3]) and header.canvases[1].number == 2
    assert header.pieces[3] == "D"


def test_begin_comes_before_the_first_step_once_a_call(TableModel):
    heard = []

    class Ear:
        def begin(self, header, piece):
            heard.append((len(header.canvases), piece(3)))

        def __call__(self, step):
            heard.append(step.number)

    generate(TableModel(), PROMPTS, sampler=Llada(steps=2), max_new_tokens=4, on_step=Observers(Ear(), lambda step: None))
    assert heard == [(3, "3"), 0, 1]


def test_steps_say_whose_rows_they_are(TableModel):
    done = generate(TableModel(), [[1], [2]], sampler=Llada(steps=2), max_new_tokens=2, numbers=[8, 3])
    assert done.steps[0].numbers_B.tolist() == [8, 3]


class Unasked(Rnd1Entropy):
    """Fills the first place without asking the model, then takes it back and goes on."""

    def decide(self, view):
        if view.step == 0:
            return Decision(view.position_N == view.position_N.min(), torch.full_like(view.position_N, 7))
        again_BL = view.generated_BL & (torch.arange(view.ids_BL.shape[1]) == 1)
        return Decision(view.position_N == 2 + view.step, view.scores(0.0).token, again_BL if view.step == 1 else None)


def test_what_a_sampler_does_without_the_model_is_told_of_with_the_next_step(TableModel):
    recorder = Recorder()
    done = infill(TableModel(), [[5, 63, 63, 63, 63]], sampler=Unasked(steps=5), on_step=recorder)
    (trace,) = recorder.traces
    assert list(replayed(trace)) == [canvases_of(step) for step in done.steps]
    assert trace.lines[-1].entropy and done.forward_calls == len(trace.lines) == 4


def test_a_line_tells_no_piece_that_was_told_before(TableModel):
    recorder = Recorder()
    infill(TableModel(), [[5, *[63] * 12]], sampler=Llada(steps=6), on_step=recorder)
    (trace,) = recorder.traces
    told = [list(trace.header.pieces), *[list(line.pieces) for line in trace.lines]]
    assert sorted(trace.pieces()) == sorted(token for tokens in told for token in tokens)
    assert len(told) > 1 and {5, 63} <= set(told[0])
