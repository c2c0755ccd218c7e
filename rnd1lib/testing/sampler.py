"""What a sampler promises in the loop: what is given stays, every gap is filled by a word, rows do not know of each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rnd1lib.kinds import Decision, Sampler, View
from rnd1lib.sampling.generation import Generation, generate, infill
from rnd1lib.testing.denoiser import Denoiser, Given, Table, table
from rnd1lib.testing.examples import END, MASK, VOCABULARY
from rnd1lib.testing.promise import demand, promise
from rnd1lib.testing.purity import no_process_rng, twice, unchanged

PROMPTS = [[3, 1, 4, 1, 5], [9], [2, 6, 5]]
CANVASES = [[3, *[MASK] * 6, 5], [9, MASK, 2, MASK, MASK, 7], [1, 2, 3], [4, *[MASK] * 9]]
NEW = 9


class Watched:
    """A sampler with a witness: looks at every view and decision, and passes them on."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self.decisions: list[tuple[View, Decision]] = []
        self.steps, self.block_length, self.parity = sampler.steps, sampler.block_length, sampler.parity
        self.temperature, self.top_k, self.top_p = sampler.temperature, sampler.top_k, sampler.top_p

    def decide(self, view: View) -> Decision:
        """The sampler's own decision; the canvas that it saw is kept as it was."""
        with unchanged([view.ids_BL, view.generated_BL, view.masked_at_start_B, view.position_N]):
            self.decisions.append((view, self._sampler.decide(view)))
        return self.decisions[-1][1]


def filled(sampler: Any, model: Denoiser | None = None, canvases: Sequence[list[int]] = CANVASES, **options: Any) -> Generation:
    """The canvases filled in; by a model that sees all of a row unless another is given."""
    return infill(model or Table(), canvases, sampler=sampler, **options)


def warm(sampler: Sampler) -> list[float]:
    """The temperatures to try: its own, and one at which tokens are drawn."""
    return sorted({sampler.temperature, 1.0})


@promise
def a_row_does_not_depend_on_its_batch_mates(sampler: Sampler) -> None:
    """A row's text is a function of the seed, its number and its own ids: alone or among longer rows, greedy or drawn.

    So is a canvas, among others with fewer gaps or more, which are at other steps of as many.
    """
    for shift, temperature in ((0, sampler.temperature), (1, 1.0)):
        options: dict[str, Any] = {"sampler": sampler, "max_new_tokens": NEW, "temperature": temperature, "seed": 3}
        together = generate(Table(shift), PROMPTS, **options).sequences
        for number, prompt in enumerate(PROMPTS):
            (alone,) = generate(Table(shift), [prompt], numbers=[number], **options).sequences
            seen = f"shift {shift}, temperature {temperature}: alone {alone}, in the batch {together[number]}."
            demand(alone == together[number], seen)
    for number, (canvas, row) in enumerate(zip(CANVASES, filled(sampler, seed=3).sequences, strict=True)):
        (alone,) = filled(sampler, canvases=[canvas], numbers=[number], seed=3).sequences
        demand(alone == row, f"the canvas {canvas} alone becomes {alone}, in the batch {row}.")


@promise
def what_is_given_is_never_changed(sampler: Sampler) -> None:
    """Every id of a canvas that is no mask is there at the end, at its place; a canvas without gaps comes back as it is."""
    for temperature in warm(sampler):
        for canvas, row in zip(CANVASES, filled(sampler, temperature=temperature).sequences, strict=True):
            kept = len(row) == len(canvas) and all(a in (MASK, b) for a, b in zip(canvas, row, strict=True))
            demand(kept, f"the canvas {canvas} became {row}.")


@promise
def no_mask_is_left(sampler: Sampler) -> None:
    """At the end every gap holds a word."""
    for shift in (0, 1):
        left = sum(row.count(MASK) for row in filled(sampler, Table(shift)).sequences)
        demand(left == 0, f"{left} gaps are still masked at the end.")


@promise
def the_mask_token_is_never_committed(sampler: Sampler) -> None:
    """Also by a model that predicts it everywhere: its logit is -inf before anything is drawn or compared."""
    lover = Given(table("lover", 12, VOCABULARY) + 60 * (torch.arange(VOCABULARY) == MASK))
    for temperature in warm(sampler):
        rows = filled(sampler, lover, temperature=temperature).sequences
        demand(not any(MASK in row for row in rows), f"temperature {temperature}: a mask token is in the text.")


@promise
def forward_calls_are_at_most_the_steps(sampler: Sampler) -> None:
    """As many calls as steps are told of, none of them empty; at most `steps`, or one for each token of the longest row."""
    for steps in {sampler.steps, 4}:
        model = Table()
        block_length = sampler.block_length if steps == sampler.steps else None
        done = filled(sampler, model, steps=steps, block_length=block_length)
        most = steps or max(canvas.count(MASK) for canvas in CANVASES)
        demand(done.forward_calls <= most, f"{done.forward_calls} calls of the model for {most} steps.")
        told = done.forward_calls, len(done.steps), len(model.asked)
        demand(len(set(told)) == 1, f"forward_calls, steps told of and calls of the model are {told}.")
        demand(all(model.asked), "the model was called for no row.")


@promise
def a_decision_is_about_masked_positions(sampler: Sampler) -> None:
    """commit_N bool and tokens_N int64 (or None), one a masked position; remask_BL bool [B, L]; the view stays as it was."""
    watched = Watched(sampler)
    infill(Table(), CANVASES, sampler=watched)
    for view, (commit_N, tokens_N, remask_BL) in watched.decisions:
        shape = (len(view.sequence_N),)
        told = (commit_N.dtype, tuple(commit_N.shape))
        demand(told == (torch.bool, shape), f"commit_N is {told}; {shape[0]} are masked.")
        if tokens_N is not None:
            told = (tokens_N.dtype, tuple(tokens_N.shape))
            demand(told == (torch.int64, shape), f"tokens_N is {told}; {shape[0]} are masked.")
            demand(((tokens_N >= 0) & (tokens_N < VOCABULARY))[commit_N].all(), "a token outside the vocabulary.")
        masked = (view.ids_BL == MASK)[view.sequence_N, view.position_N]
        demand(masked.all(), "the view asks for positions that are not masked.")
        if remask_BL is not None:
            demand(remask_BL.dtype == torch.bool and remask_BL.shape == view.ids_BL.shape, f"remask_BL is {remask_BL.dtype}.")


@promise
def a_committed_token_changes_only_through_the_mask(sampler: Sampler) -> None:
    """Between two steps a word stays, or becomes the mask token: what is to be said otherwise is masked again first."""
    before_BL: Tensor | None = None
    for step in filled(sampler, temperature=1.0, seed=2).steps:
        if before_BL is not None:
            changed_BL = (step.ids_BL != before_BL) & (before_BL != MASK) & (step.ids_BL != MASK)
            demand(not changed_BL.any(), f"step {step.number} replaced words at {changed_BL.nonzero().tolist()[:3]}.")
        before_BL = step.ids_BL


@promise
def every_step_commits_something(sampler: Sampler) -> None:
    """A call of the model that is paid for fills at least one place of the batch, or masks one again."""
    for steps in (None, 5):
        before_BL = torch.tensor([[4, *[MASK] * 9]])
        for step in filled(sampler, canvases=before_BL.tolist(), steps=steps, block_length=None).steps:
            demand(not torch.equal(step.ids_BL, before_BL), f"step {step.number} of {steps} changed nothing.")
            before_BL = step.ids_BL


@promise
def blocks_are_filled_from_left_to_right(sampler: Sampler) -> None:
    """A block begins when the one before it is full. They count from the end of the prompt in `generate`, else from place 0."""
    options: dict[str, Any] = {"sampler": sampler, "block_length": 4, "steps": None}
    model = Given(table("blocks", 16, VOCABULARY) - 99 * (torch.arange(VOCABULARY) == END))
    of_prompt = generate(model, [[1, 2, 3]], max_new_tokens=10, **options)
    of_canvas = infill(model, [[1, 2, 3, *[MASK] * 10]], **options)
    for origin, done in ((3, of_prompt), (0, of_canvas)):
        for step in done.steps:
            filled_C = ((step.committed_BL[0].nonzero()[:, 0] - origin) // 4).tolist()
            open_M = (((step.ids_BL[0] == MASK).nonzero()[:, 0] - origin) // 4).tolist()
            seen = f"blocks from place {origin}: step {step.number} fills blocks {filled_C} while masks are left in {open_M}."
            demand(max(filled_C) <= min(open_M, default=max(filled_C)), seen)


@promise
def an_end_of_text_ends_the_text_of_generate_alone(sampler: Sampler) -> None:
    """`generate` cuts behind the first end-of-text; `infill` cuts nothing."""
    logits_LV = 9 * torch.nn.functional.one_hot(torch.arange(16) % 20, VOCABULARY)
    logits_LV[6] = 9 * torch.nn.functional.one_hot(torch.tensor(END), VOCABULARY)
    options: dict[str, Any] = {"sampler": sampler, "temperature": 0.0}
    (text,) = generate(Given(logits_LV), [[0, 1, 2]], max_new_tokens=NEW, **options).sequences
    demand(text == [0, 1, 2, 3, 4, 5, END], f"the text is {text}, the end-of-text was predicted at place 6.")
    (row,) = infill(Given(logits_LV), [[0, 1, 2, *[MASK] * NEW]], **options).sequences
    demand(row == [0, 1, 2, 3, 4, 5, END, 7, 8, 9, 10, 11], f"the canvas is {row}.")


@promise
def the_seed_decides_and_nothing_else(sampler: Sampler) -> None:
    """The same seed, the same text; no generator of the process; at temperature 1 other seeds and numbers give other texts."""
    with no_process_rng():
        first = filled(sampler, temperature=1.0, seed=1).sequences
    again = twice(lambda: filled(sampler, temperature=1.0, seed=1).sequences)
    demand(again == (first, first), "the same seed gave another text.")
    demand(filled(sampler, temperature=1.0, seed=2).sequences != first, "another seed gave the same texts.")
    one, two = filled(sampler, canvases=[CANVASES[3]] * 2, temperature=1.0).sequences
    demand(one != two, "two rows of one batch with the same ids got the same text: their numbers play no part.")
