"""`generate` and `infill`: text from any denoiser, by any sampler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from rnd1lib.diffusion.prediction import end_tokens
from rnd1lib.kinds import Denoiser, Sampler
from rnd1lib.sampling.arguments import canvas_ids, check, prompt_ids, sampler_of
from rnd1lib.sampling.call import Asked, Call
from rnd1lib.sampling.canvas import Canvas
from rnd1lib.sampling.gaps import as_text
from rnd1lib.sampling.loop import fill
from rnd1lib.sampling.placeholder import decodable
from rnd1lib.views import Observer, Step, Trace
from rnd1lib.views.notebook import fragment
from rnd1lib.views.observer import tell
from rnd1lib.views.trace import Lines


@dataclass(frozen=True, eq=False)
class Generation:
    """What sampling gave.

    sequences: ids, prompt and answer, nothing behind the end-of-text. texts: the same decoded, without the end-of-text; the
    ids as text where the model has no tokenizer. steps: one a forward pass. forward_calls: how many passes. token_forwards:
    how many tokens were run through the network in them, guidance's twins included, padding not. call: what was asked for.
    """

    sequences: list[list[int]]
    texts: list[str]
    steps: list[Step]
    forward_calls: int
    token_forwards: int
    call: Call = field(repr=False)

    def trace(self) -> Trace:
        """The steps as plain data; with entropies and best tokens only if an observer asked for them."""
        lines = Lines(self.call.header, self.call.piece)
        return Trace(self.call.header, [lines.of(step) for step in self.steps])

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return fragment(self.trace())


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
    component = sampler_of(sampler, options, model)
    model = decodable(model, component, guidance=guidance)
    check(model, guidance=guidance, cache=cache, seed=seed)
    rows = prompt_ids(model, prompts, max_new_tokens, numbers)
    reserved = _reserved_slot(model, component) if max_new_tokens else []
    new = max_new_tokens - len(reserved)
    canvas = Canvas(
        model,
        [row + [model.mask_token_id] * new + reserved for row in rows],
        [len(row) for row in rows],
        component,
        end_token_ids=end_tokens(model),
    )
    asked = Asked(component, sampler, guidance, cache, seed, _numbers(numbers, rows), on_step)
    return _filled(canvas, asked, [len(row) + new for row in rows])


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
    component = sampler_of(sampler, options, model)
    model = decodable(model, component, guidance=guidance)
    check(model, guidance=guidance, cache=cache, seed=seed)
    rows = canvas_ids(model, canvases, numbers)
    canvas = Canvas(model, rows, [0] * len(rows), component)
    asked = Asked(component, sampler, guidance, cache, seed, _numbers(numbers, rows), on_step)
    return _filled(canvas, asked, [len(row) for row in rows])


def _filled(canvas: Canvas, asked: Asked, lengths: Sequence[int]) -> Generation:
    """Fills a canvas; `lengths`: where each row is cut at the latest."""
    call, on_step = Call(canvas, asked), asked.on_step
    if hasattr(on_step, "begin"):
        tell(on_step, "begin", call.header, call.piece)
    try:
        steps, tokens = fill(canvas, asked)
    finally:
        tell(on_step, "end")
    sequences = [text[:length] for text, length in zip(canvas.texts(), lengths, strict=True)]
    return Generation(sequences, _texts(canvas.model, sequences), steps, len(steps), tokens, call)


def _reserved_slot(model: Denoiser, sampler: Sampler) -> list[int]:
    """RND1's `diffusion_sample` keeps the last place for an end-of-text that it does not write: it stays padding."""
    if sampler.parity != "rnd1" or model.eos_token_id is None:
        return []
    return [model.eos_token_id if model.pad_token_id is None else model.pad_token_id]


def _numbers(numbers: Sequence[int] | None, rows: list[list[int]]) -> Sequence[int]:
    return range(len(rows)) if numbers is None else numbers


def _texts(model: Denoiser, sequences: list[list[int]]) -> list[str]:
    ends = end_tokens(model)
    return [as_text(model, row[:-1] if row and row[-1] in ends else row) for row in sequences]
