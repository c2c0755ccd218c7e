"""What an objective promises: which logit row is scored against which token, with what weight, over what denominator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rnd1lib.diffusion import IGNORE, Draws, denominator, uncorrupted
from rnd1lib.kinds import Batch, Noised, Objective, Targets
from rnd1lib.testing.examples import hidden, packed, part
from rnd1lib.testing.promise import demand, promise, promise_where
from rnd1lib.testing.purity import no_process_rng, same, twice, unchanged


def task(objective: Objective) -> tuple[Batch, Noised]:
    """Packed rows with prompts and padding, and what the objective gets to see of them."""
    batch = packed()
    return batch, hidden(batch) if objective.corrupts else uncorrupted(batch)


def wanted(objective: Objective, batch: Batch, noised: Noised) -> Tensor:
    """[B, L] bool: the tokens that are to be predicted, less those that no row of their document predicts."""
    tokens_BL = noised.masked_BL if objective.corrupts else batch.maskable_BL
    return tokens_BL & (batch.positions_BL > 0) if objective.shift else tokens_BL


@promise
def shift_corrupts_and_counts_are_words_of_the_contract(objective: Objective) -> None:
    """shift is 0 or 1 and corrupts a bool, both of the class and no options; counts is maskable, masked or rows."""
    of_class = type(objective)
    demand(of_class.shift in (0, 1) and type(of_class.shift) is int, f"shift is {of_class.shift!r}.")
    demand(isinstance(of_class.corrupts, bool), f"corrupts is {of_class.corrupts!r}.")
    demand(objective.counts in ("maskable", "masked", "rows"), f"counts is {objective.counts!r}.")


@promise
def labels_are_int64_and_weights_float32_for_every_logit_row(objective: Objective) -> None:
    """labels_BL int64 and weights_BL float32, both [B, L]; weights finite and not negative."""
    batch, noised = task(objective)
    labels_BL, weights_BL = objective.targets(batch, noised)
    demand(labels_BL.dtype == torch.int64 and weights_BL.dtype == torch.float32, f"{labels_BL.dtype} and {weights_BL.dtype}.")
    shapes = tuple(labels_BL.shape), tuple(weights_BL.shape)
    demand(shapes == (tuple(batch.ids_BL.shape),) * 2, f"shapes {shapes} for rows of {tuple(batch.ids_BL.shape)}.")
    demand(weights_BL.isfinite().all() and (weights_BL >= 0).all(), f"weights from {weights_BL.min()} to {weights_BL.max()}.")


@promise
def under_shift_1_the_label_at_row_i_is_token_i_plus_1(objective: Objective) -> None:
    """A scored row's label is x0[i + shift]; under shift 0 that is the token itself."""
    batch, noised = task(objective)
    labels_BL = objective.targets(batch, noised).labels_BL
    for row, place in (labels_BL != IGNORE).nonzero().tolist():
        told, token = int(labels_BL[row, place]), place + objective.shift
        demand(token < labels_BL.shape[1], f"the last row of a canvas is scored against {told}: no token follows it.")
        meant = int(batch.ids_BL[row, token])
        demand(told == meant, f"logit row {place} has the label {told}, but token {token} is {meant}.")


@promise
def every_hidden_token_is_scored_at_the_row_that_predicts_it(objective: Objective) -> None:
    """Row i has a label if and only if token i + shift is masked (or maskable, where nothing is corrupted)."""
    batch, noised = task(objective)
    scored_BL = objective.targets(batch, noised).labels_BL != IGNORE
    width = batch.ids_BL.shape[1]
    expected_BL = torch.zeros_like(scored_BL)
    expected_BL[:, : width - objective.shift] = wanted(objective, batch, noised)[:, objective.shift :]
    wrong = (scored_BL != expected_BL).nonzero().tolist()
    demand(not wrong, f"{len(wrong)} rows are scored and should not be, or the other way round; the first is {wrong[:1]}.")


@promise
def nothing_rolls_around_the_end_of_a_row(objective: Objective) -> None:
    """Under shift 1 the last logit row predicts no token of the row, and the first token has no row."""
    batch, noised = task(objective)
    everything_BL = torch.ones_like(batch.maskable_BL)
    one_document = Batch(batch.ids_BL, everything_BL, torch.zeros_like(batch.ids_BL), batch.positions_BL)
    noised = noised._replace(masked_BL=everything_BL if objective.corrupts else noised.masked_BL)
    labels_BL, weights_BL = objective.targets(one_document, noised)
    rows = int((labels_BL[:, -1] != IGNORE).sum()), int((weights_BL[:, -1] != 0).sum())
    demand(not objective.shift or rows == (0, 0), f"{rows[0]} last rows have a label, {rows[1]} a weight.")
    demand(labels_BL.shape[1] - objective.shift == int((labels_BL[0] != IGNORE).sum()), "a row has too many labels or too few.")


@promise
def the_first_token_of_a_document_is_never_a_target(objective: Objective) -> None:
    """Under shift 1 no row of its own document predicts it, even where it is marked maskable and was masked."""
    batch = packed()
    starts_BL = batch.positions_BL == 0
    careless = batch._replace(maskable_BL=batch.maskable_BL | starts_BL)
    noised = hidden(batch)
    noised = noised._replace(masked_BL=noised.masked_BL | starts_BL) if objective.corrupts else uncorrupted(careless)
    labels_BL, weights_BL = objective.targets(careless, noised)
    across_BL = torch.zeros_like(starts_BL)
    across_BL[:, :-1] = starts_BL[:, 1:]
    scored = int((across_BL & (labels_BL != IGNORE) & (weights_BL != 0)).sum())
    demand(not objective.shift or scored == 0, f"{scored} rows are scored against the first token of the next document.")


@promise
def what_is_not_scored_has_weight_zero_or_no_label(objective: Objective) -> None:
    """The loss takes rows with a label and a weight: what has no label has no weight, and some rows have both."""
    batch, noised = task(objective)
    labels_BL, weights_BL = objective.targets(batch, noised)
    demand((weights_BL[labels_BL == IGNORE] == 0).all(), "a row without a label has a weight.")
    demand(((labels_BL != IGNORE) & (weights_BL > 0)).any(), "no row at all is scored.")


@promise
def the_prompt_is_never_scored(objective: Objective) -> None:
    """No label is a token that is not maskable: with other prompts and padding the targets are the same."""
    batch, noised = task(objective)
    other_ids_BL = torch.where(batch.maskable_BL, batch.ids_BL, (batch.ids_BL + 1) % 7)
    other = objective.targets(batch._replace(ids_BL=other_ids_BL), noised)
    demand(same(objective.targets(batch, noised), other), "the labels or weights depend on what stands in the prompt.")


@promise
def a_rows_targets_do_not_depend_on_its_batch_mates(objective: Objective) -> None:
    """Labels and weights of a row are the same in every micro-batch: only the denominator is global."""
    batch, noised = task(objective)
    whole = objective.targets(batch, noised)
    for first, rows in ((0, 1), (2, 3), (5, 3)):
        few = Noised(*(tensor[first : first + rows].clone() for tensor in noised))
        alone = objective.targets(part(batch, first, rows), few)
        expected = Targets(*(tensor[first : first + rows] for tensor in whole))
        demand(same(alone, expected), f"rows {first} to {first + rows - 1} by themselves have other targets.")


@promise
def a_weight_a_block_is_a_weight_a_token(objective: Objective) -> None:
    """Where blocks have times of their own, t and weight are [B, L]; with one value a row they give the targets of [B]."""
    batch, noised = task(objective)
    spread = noised._replace(
        **{name: getattr(noised, name)[:, None].expand(batch.ids_BL.shape) for name in ("t_B", "weight_B")}
    )
    demand(same(objective.targets(batch, noised), objective.targets(batch, spread)), "[B, L] gives other targets than [B].")


@promise_where(lambda objective: hasattr(objective, "auxiliary"))
def auxiliary_losses_are_named_numbers_with_gradients(objective: Any) -> None:
    """auxiliary(logits_NE, chosen_NK): finite 0-d losses, whatever the order of the tokens, by names that are
    attributes with coefficients; each has a gradient with respect to the router's logits, which stay as they are."""
    auxiliary = objective.auxiliary
    logits_NE = 3 * (Draws(seed=1, step=0).uniform("router", 40, 6) - 0.3)
    chosen_NK = logits_NE.topk(2).indices
    with no_process_rng(), unchanged([logits_NE, chosen_NK]):
        leaf_NE = logits_NE.clone().requires_grad_()
        losses: dict[str, Tensor] = auxiliary(leaf_NE, chosen_NK)
    backwards = auxiliary(logits_NE.flip(0), chosen_NK.flip(0))
    for name, loss in losses.items():
        demand(loss.dim() == 0 and bool(loss.isfinite()), f"{name} is {loss}.")
        demand(isinstance(getattr(objective, name, None), float | int), f"{name} is no attribute with a coefficient.")
        (gradient_NE,) = torch.autograd.grad(loss, leaf_NE, retain_graph=True)
        demand(gradient_NE.isfinite().all() and bool(gradient_NE.any()), f"{name} has no gradient.")
        off = float((loss.detach() - backwards[name]).abs())
        demand(off < 1e-5 * (1 + float(loss.detach().abs())), f"{name} depends on the order of the tokens, by {off:.2g}.")


@promise
def documents_of_a_row_do_not_touch_each_other(objective: Objective) -> None:
    """Which number a document has does not matter, only where it begins and ends."""
    batch, noised = task(objective)
    renamed = batch._replace(documents_BL=(batch.documents_BL * 7 + 3) % 11)
    demand(same(objective.targets(batch, noised), objective.targets(renamed, noised)), "the documents' numbers play a part.")


@promise
def the_denominator_counts_what_the_objective_says(objective: Objective) -> None:
    """The loss is divided by the global number of maskable tokens, masked tokens or rows; parts of the batch add up to it."""
    batch, noised = task(objective)
    told = int(denominator(objective, batch, noised))
    meant = {"maskable": batch.maskable_BL.sum(), "masked": noised.masked_BL.sum(), "rows": torch.tensor(len(batch.ids_BL))}
    demand(told == int(meant[objective.counts]), f"it is {told}; {objective.counts} are {int(meant[objective.counts])}.")
    halves = 0
    for first in (0, 4):
        few = Noised(*(tensor[first : first + 4] for tensor in noised))
        halves += int(denominator(objective, part(batch, first, 4), few))
    demand(halves == told, f"two halves count {halves}, the whole {told}.")


@promise
def targets_are_a_function_of_the_batch(objective: Objective) -> None:
    """Equal bits at every call, no generator of the process, nothing that was given is written into."""
    batch, noised = task(objective)
    with no_process_rng(), unchanged([*batch, *noised]):
        first = objective.targets(batch, noised)
    one, two = twice(lambda: objective.targets(batch, noised))
    demand(same(first, one) and same(first, two), "the same batch gave other targets.")
