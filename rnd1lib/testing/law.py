"""What a sampler promises about tokens: the best one at temperature 0, else draws from the tempered, filtered distribution."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rnd1lib.kinds import Sampler
from rnd1lib.sampling.generation import infill
from rnd1lib.testing.chance import demand_law
from rnd1lib.testing.denoiser import Given, Table, table
from rnd1lib.testing.examples import MASK, VOCABULARY, WORDS
from rnd1lib.testing.promise import demand, promise, promise_where

DRAWS = 1024
GUIDANCE = 0.7
PROBABILITIES = (0.02, 0.4, 0.05, 0.3, 0.13, 0.1)
"""Of the first tokens: not in order, so that a filter has to sort."""


def known_logits() -> Tensor:
    """[V] logits of the known probabilities; the other tokens cannot be."""
    logits_V = torch.full((VOCABULARY,), -1e4, dtype=torch.float64)
    logits_V[: len(PROBABILITIES)] = torch.tensor(PROBABILITIES, dtype=torch.float64).log() + 3
    return logits_V


def drawn(sampler: Sampler, **options: Any) -> Tensor:
    """[6] how often each token fills a gap that is filled in one step, in 1 024 rows."""
    model = Given(known_logits().expand(2, -1))
    canvases = [[0, MASK]] * DRAWS
    rows = infill(model, canvases, sampler=sampler, seed=5, **{"steps": 1, "block_length": None, **options}).sequences
    return torch.tensor([row[1] for row in rows]).bincount(minlength=VOCABULARY)


def law(kept: set[int] | None = None, temperature: float = 1.0) -> Tensor:
    """[V] how often each token is expected: softmax(logits / temperature) over the tokens that a filter keeps."""
    logits_V = known_logits() / temperature
    outside_V = torch.tensor([kept is not None and token not in kept for token in range(VOCABULARY)])
    return logits_V.masked_fill(outside_V, -torch.inf).softmax(-1) * DRAWS


def by_its_own_rule(sampler: Sampler) -> bool:
    """A sampler that copies no peer."""
    return sampler.parity is None


@promise
def at_temperature_0_the_best_token_is_committed(sampler: Sampler) -> None:
    """Every gap gets argmax of its logits, the mask token left out, in whatever order the gaps are filled."""
    logits_LV = table("greedy", 12, VOCABULARY)
    logits_LV[:, MASK] = 50.0
    for shift in (0, 1):
        canvas = [1, *[MASK] * 5, 2, *[MASK] * 5]
        (row,) = infill(Given(logits_LV, shift), [canvas], sampler=sampler, temperature=0.0).sequences
        best = logits_LV[:, :MASK].argmax(-1).tolist()
        expected = [best[place] if token == MASK else token for place, token in enumerate(canvas)]
        demand(row == expected, f"shift {shift}: the text is {row}, the best tokens are {expected}.")


@promise
def tokens_are_drawn_at_the_temperature(sampler: Sampler) -> None:
    """p ~ exp(logit / temperature): chi-square over 1 024 draws at temperature 0.5 and 2."""
    for temperature in (0.5, 2.0):
        demand_law(drawn(sampler, temperature=temperature), law(temperature=temperature), f"temperature {temperature}")


@promise
def top_k_keeps_the_k_best_tokens(sampler: Sampler) -> None:
    """Drawn among the k of highest probability in proportion, and never another."""
    for k, kept in ((1, {1}), (3, {1, 3, 4})):
        demand_law(drawn(sampler, temperature=1.0, top_k=k, top_p=None), law(kept), f"top_k {k}")


@promise
def top_p_keeps_the_smallest_set_that_holds_it(sampler: Sampler) -> None:
    """The best tokens until their sum reaches top_p, the one that reaches it included, one at least."""
    for top_p, kept in ((0.05, {1}), (0.6, {1, 3}), (0.75, {1, 3, 4}), (0.9, {1, 3, 4, 5}), (1.0, {0, 1, 2, 3, 4, 5})):
        demand_law(drawn(sampler, temperature=1.0, top_p=top_p, top_k=None), law(kept), f"top_p {top_p}")


@promise_where(by_its_own_rule)
def top_p_counts_after_top_k(sampler: Sampler) -> None:
    """Temperature, then top_k, then top_p of what is left: of the three best, 0.83 in all, 0.8 of it is two tokens. Not asked
    of a sampler with `parity`."""
    demand_law(drawn(sampler, temperature=1.0, top_k=3, top_p=0.8), law({1, 3}), "top_k 3, top_p 0.8")


@promise
def words_of_one_step_are_drawn_independently(sampler: Sampler) -> None:
    """Two gaps that are filled in one step: p(a, b) = p(a) p(b), chi-square over 1 024 draws of the three best words."""
    options: dict[str, Any] = {"temperature": 1.0, "top_k": 3, "top_p": None, "steps": 1, "block_length": None, "seed": 5}
    model = Given(known_logits().expand(3, -1))
    pairs = torch.tensor(infill(model, [[0, MASK, MASK]] * DRAWS, sampler=sampler, **options).sequences)[:, 1:]
    seen_VV = (pairs[:, 0] * VOCABULARY + pairs[:, 1]).bincount(minlength=VOCABULARY**2)
    alone_V = law({1, 3, 4}) / DRAWS
    demand_law(seen_VV, (alone_V[:, None] * alone_V).flatten() * DRAWS, "two gaps in one step")


@promise_where(by_its_own_rule)
def a_temperature_near_0_is_temperature_0(sampler: Sampler) -> None:
    """The draws become the best words, and the order of the positions does not fall apart: every canvas on the way is the same.
    An order by tempered scores would, since these are all alike near 0. Not asked of a sampler with `parity`."""
    cold, still = (
        infill(Table(), [[4, *[MASK] * 9], [3, MASK, 5, MASK, MASK]], sampler=sampler, temperature=temperature).steps
        for temperature in (1e-6, 0.0)
    )
    for one, other in zip(cold, still, strict=True):
        seen = f"step {one.number}: {one.ids_BL.tolist()} at temperature 1e-6, {other.ids_BL.tolist()} at 0."
        demand(torch.equal(one.ids_BL, other.ids_BL), seen)


@promise
def guidance_leans_away_from_what_is_said_without_the_prompt(sampler: Sampler) -> None:
    """guidance w: logits u + (w + 1)(c - u), u from a canvas in which all that was given is masked, save the first token
    under shift 1. So at temperature 0 a single gap gets the best token of that."""
    texts = [[(start + token * 5) % WORDS for token in range(7)] for start in range(6)]
    canvases = [[*text[:place], MASK, *text[place + 1 :]] for text in texts for place in range(1, 7)]
    for shift in (0, 1):
        bare = [[canvas[0] if shift else MASK, *[MASK] * 6] for canvas in canvases]
        row_N, place_N = (torch.tensor(canvases) == MASK).nonzero(as_tuple=True)
        c_NV, u_NV = (Table(shift).logits(torch.tensor(ids))[row_N, place_N - shift] for ids in (canvases, bare))
        best_N = (u_NV + (GUIDANCE + 1) * (c_NV - u_NV))[:, :MASK].argmax(-1)
        options: dict[str, Any] = {"sampler": sampler, "temperature": 0.0, "guidance": GUIDANCE}
        told_N = torch.tensor(infill(Table(shift), canvases, **options).sequences)[row_N, place_N]
        wrong = (told_N != best_N).nonzero()[:, 0].tolist()
        demand(not wrong, f"shift {shift}: {len(wrong)} of {len(canvases)} gaps got another token than the best.")
