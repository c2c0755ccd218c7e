"""`generate` and `infill`: text from any denoiser, by any sampler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from rnd1lib.diffusion.prediction import start_token
from rnd1lib.errors import SamplingError
from rnd1lib.kinds import Denoiser, Sampler
from rnd1lib.sampling.arguments import canvas_ids, check, check_length, prompt_ids, sampler_of
from rnd1lib.sampling.canvas import Canvas
from rnd1lib.sampling.loop import fill
from rnd1lib.views import Observer, Step


class Generation(NamedTuple):
    """What sampling gave.

    sequences: ids, prompt and answer, nothing behind the end-of-text. texts: the same decoded, without the end-of-text; the
    ids as text where the model has no tokenizer. steps: one a forward pass. forward_calls: how often the model was asked.
    """

    sequences: list[list[int]]
    texts: list[str]
    steps: list[Step]
    forward_calls: int


@torch.no_grad()
def generate(
    model: Denoiser,
    prompts: Sequence[str | Sequence[int]],
    *,
    sampler: str | Sampler = "rnd1_entropy",
    max_new_tokens: int,
    guidance: float = 0.0,
    cache: str | None = None,
    seed: int = 0,
    on_step: Observer | None = None,
    numbers: Sequence[int] | None = None,
    **options: Any,
) -> Generation:
    """Continues prompts of unequal length (ids, or texts if the model has a tokenizer) by up to `max_new_tokens` each.

    sampler: a name, built with `options`, or a component. guidance w: logits u + (w + 1)(c - u). A row's text depends on the
    seed, its number (`numbers`; its place in `prompts` by default) and its own ids alone. Under shift 1 an empty prompt gets
    a start token. Raises SamplingError for arguments that make no sense.
    """
    check(model, guidance=guidance, cache=cache, seed=seed)
    if isinstance(max_new_tokens, bool) or not isinstance(max_new_tokens, int) or max_new_tokens < 0:
        raise SamplingError(f"max_new_tokens: {max_new_tokens!r} is not an integer of 0 or more.")
    component = sampler_of(sampler, options, model)
    rows = prompt_ids(model, prompts)
    if model.shift and max_new_tokens:
        rows = [row or [start_token(model)] for row in rows]
    for number, row in enumerate(rows):
        check_length(f"prompt {number} with max_new_tokens", len(row) + max_new_tokens)
    reserved = _reserved_slot(model, component) if max_new_tokens else []
    new = max_new_tokens - len(reserved)
    canvas = Canvas(
        model,
        [row + [model.mask_token_id] * new + reserved for row in rows],
        [len(row) for row in rows],
        component,
        end_token_id=model.eos_token_id,
    )
    steps, calls = fill(canvas, component, guidance=guidance, seed=seed, numbers=_numbers(numbers, rows), on_step=on_step)
    sequences = [text[: len(row) + new] for row, text in zip(rows, canvas.texts(), strict=True)]
    return Generation(sequences, _texts(model, sequences), steps, calls)


@torch.no_grad()
def infill(
    model: Denoiser,
    canvases: Sequence[str | Sequence[int]],
    *,
    sampler: str | Sampler = "rnd1_entropy",
    guidance: float = 0.0,
    cache: str | None = None,
    seed: int = 0,
    on_step: Observer | None = None,
    numbers: Sequence[int] | None = None,
    **options: Any,
) -> Generation:
    """Fills the gaps of canvases: mask ids in lists of ids, `[[8]]` for 8 tokens in a text. Nothing is cut or moved.

    Arguments as for `generate`; blocks count from position 0. Under shift 1 a canvas must not begin with a gap.
    """
    check(model, guidance=guidance, cache=cache, seed=seed)
    component = sampler_of(sampler, options, model)
    rows = canvas_ids(model, canvases)
    canvas = Canvas(model, rows, [0] * len(rows), component)
    steps, calls = fill(canvas, component, guidance=guidance, seed=seed, numbers=_numbers(numbers, rows), on_step=on_step)
    sequences = canvas.texts()
    return Generation(sequences, _texts(model, sequences), steps, calls)


def _reserved_slot(model: Denoiser, sampler: Sampler) -> list[int]:
    """RND1's `diffusion_sample` keeps the last place for an end-of-text that it does not write: it stays padding."""
    if sampler.parity != "rnd1" or model.eos_token_id is None:
        return []
    return [model.eos_token_id if model.pad_token_id is None else model.pad_token_id]


def _numbers(numbers: Sequence[int] | None, rows: list[list[int]]) -> Sequence[int]:
    if numbers is not None and len(numbers) != len(rows):
        raise SamplingError(f"numbers: {len(numbers)} were given for {len(rows)} rows.")
    return range(len(rows)) if numbers is None else numbers


def _texts(model: Denoiser, sequences: list[list[int]]) -> list[str]:
    return [as_text(model, row[:-1] if row[-1:] == [model.eos_token_id] else row) for row in sequences]


def as_text(model: Denoiser, ids: Sequence[int]) -> str:
    """Ids as text; as numbers where the model has no tokenizer."""
    tokenizer = getattr(model, "tokenizer", None)
    return " ".join(map(str, ids)) if tokenizer is None else str(tokenizer.decode(ids))
