"""How likely a model finds an answer: exactly along one order, or as a bound over all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from rnd1lib.diffusion.draws import hash_uniform
from rnd1lib.diffusion.loss import cross_entropy
from rnd1lib.diffusion.prediction import as_ids, left_align, listed, predict, start_token
from rnd1lib.errors import SamplingError
from rnd1lib.kinds import Denoiser

Method = Literal["mdm", "iid", "chain"]
TOKENS_A_CALL = 4096  # bounds the memory of a forward pass and of its logits


class Probes(NamedTuple):
    """What one method asks about an answer of A tokens, in S questions.

    masked_SA: hidden tokens. scored_SA: those of them whose cross entropy counts. weight_S: its weight.
    """

    masked_SA: Tensor
    scored_SA: Tensor
    weight_S: Tensor


@torch.no_grad()
def log_likelihood(
    model: Denoiser,
    prompts: Sequence[str | Sequence[int]],
    answers: Sequence[str | Sequence[int]],
    *,
    samples: int = 128,
    seed: int = 0,
    method: Method = "mdm",
    guidance: float = 0.0,
    return_error: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Log-probability of each answer after its prompt, in nats, summed over the answer's tokens: [N] float32.

    `mdm`: the evidence lower bound in its count form, LLaDA's: k tokens masked, k uniform, weight A / k (Nie et al. 2025,
    eq. 6 and appendix B.5); the k of the `samples` questions are spread evenly. `iid`: the same bound with each token masked
    with probability t, weight 1 / t, t stratified: unbiased too, but noisier. `chain`: exact, from left to right, one
    forward pass a token: the log-probability of decoding the answer in that order.
    return_error: also the standard error of each (0 for `chain`; an upper estimate otherwise, since k and t are spread).
    Under shift 1 an empty prompt gets a start token. SamplingError: arguments that make no sense.
    """
    estimator = _estimator(method, samples)
    pairs = _pairs(model, prompts, answers)
    if not (math.isfinite(guidance) and guidance >= 0):
        raise SamplingError(f"guidance: {guidance} is not a finite number of 0 or more (0 is none).")
    probes = [estimator(len(answer), seed, number) for number, (_, answer) in enumerate(pairs)]
    sums = torch.split(_ask(model, pairs, probes, guidance), [len(each.weight_S) for each in probes])
    exact = method == "chain"
    value_N = torch.stack([-each_S.sum() if exact else -each_S.mean() for each_S in sums]) if pairs else torch.zeros(0)
    if not return_error:
        return value_N
    spread = [0.0 if exact or samples < 2 else float(each_S.std()) / samples**0.5 for each_S in sums]
    return value_N, torch.tensor(spread[: len(pairs)])


def _pairs(
    model: Denoiser, prompts: Sequence[str | Sequence[int]], answers: Sequence[str | Sequence[int]]
) -> list[tuple[list[int], list[int]]]:
    """Prompts and answers as ids."""
    prompts, answers = listed(prompts, "prompts"), listed(answers, "answers")
    if len(prompts) != len(answers):
        raise SamplingError(f"{len(prompts)} prompts, but {len(answers)} answers: each prompt needs one.")
    pairs = [
        (as_ids(model, prompt, f"prompt {number}"), as_ids(model, answer, f"answer {number}"))
        for number, (prompt, answer) in enumerate(zip(prompts, answers, strict=True))
    ]
    for number, (prompt, answer) in enumerate(pairs):
        if model.mask_token_id in (*prompt, *answer):
            raise SamplingError(f"pair {number} holds the mask id {model.mask_token_id}, which is no text.")
    return [(prompt or ([start_token(model)] if model.shift else []), answer) for prompt, answer in pairs]


def _estimator(method: str, samples: int) -> Callable[[int, int, int], Probes]:
    if samples < 1:
        raise SamplingError(f"samples: {samples} is below 1.")
    if method == "chain":
        return lambda answer, seed, number: _chain(answer)
    if method == "mdm":
        return lambda answer, seed, number: _counts(answer, samples, seed, number)
    if method == "iid":
        return lambda answer, seed, number: _times(answer, samples, seed, number)
    raise SamplingError(f"method: {method!r} is none of mdm, iid, chain.")


def _chain(answer: int) -> Probes:
    """Question r shows the answer's first r tokens and scores the next one."""
    places_A = torch.arange(answer)
    return Probes(places_A >= places_A[:, None], places_A == places_A[:, None], torch.ones(answer))


def _counts(answer: int, samples: int, seed: int, number: int) -> Probes:
    """Question s masks k_s of the tokens, chosen at random; the k_s are one uniform k and its even steps around 1..A."""
    first = int(hash_uniform(seed, "likelihood count", number) * answer)
    count_S = (first + torch.arange(samples) * answer // samples) % max(answer, 1) + 1
    rank_SA = _uniforms(answer, samples, seed, number).argsort(1).argsort(1)
    masked_SA = rank_SA < count_S[:, None]
    return Probes(masked_SA, masked_SA, answer / count_S)


def _times(answer: int, samples: int, seed: int, number: int) -> Probes:
    """Question s masks each token with probability t_s, one t in each part of (0, 1]."""
    t_S = (1 - hash_uniform(seed, "likelihood time", number) + torch.arange(samples)) / samples
    masked_SA = _uniforms(answer, samples, seed, number) < t_S[:, None]
    return Probes(masked_SA, masked_SA, 1 / t_S)


def _uniforms(answer: int, samples: int, seed: int, number: int) -> Tensor:
    return hash_uniform(seed, "likelihood mask", number, torch.arange(samples)[:, None], torch.arange(answer))


def _ask(model: Denoiser, pairs: list[tuple[list[int], list[int]]], probes: list[Probes], guidance: float) -> Tensor:
    """The weighted sum of cross entropies of each question, pair after pair: float32 on the CPU."""
    questions = [(pair, s) for pair, each in enumerate(probes) for s in range(len(each.weight_S))]
    longest = max((len(prompt) + len(answer) for prompt, answer in pairs), default=1)
    at_once = max(1, TOKENS_A_CALL // max(longest, 1))
    sums = [torch.zeros(0)]
    for first in range(0, len(questions), at_once):
        batch = questions[first : first + at_once]
        ids_QL, lengths_Q = left_align([[*pairs[pair][0], *pairs[pair][1]] for pair, _ in batch], model)
        masked_QL, scored_QL, given_QL = (torch.zeros(ids_QL.shape, dtype=torch.bool) for _ in range(3))
        for row, (pair, s) in enumerate(batch):
            start, end = len(pairs[pair][0]), len(pairs[pair][0]) + len(pairs[pair][1])
            given_QL[row, :start] = True
            masked_QL[row, start:end], scored_QL[row, start:end] = probes[pair].masked_SA[s], probes[pair].scored_SA[s]
        masked_QL, scored_QL, given_QL = (part.to(ids_QL.device) for part in (masked_QL, scored_QL, given_QL))
        noisy_QL = ids_QL.masked_fill(masked_QL, model.mask_token_id)
        loss_Q = torch.zeros(len(batch), device=ids_QL.device)
        if bool(scored_QL.any()):
            logits_NV = predict(model, noisy_QL, scored_QL, lengths_B=lengths_Q, given_BL=given_QL, guidance=guidance)
            loss_N = cross_entropy(logits_NV, ids_QL[scored_QL], model.mask_token_id)
            loss_Q.index_add_(0, scored_QL.nonzero()[:, 0], loss_N)
        sums.append(loss_Q.cpu() * torch.stack([probes[pair].weight_S[s] for pair, s in batch]))
    return torch.cat(sums)
