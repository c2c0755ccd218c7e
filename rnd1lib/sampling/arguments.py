"""What a caller may ask of `generate` and `infill`, checked before the model is: each mistake is one sentence."""

from __future__ import annotations

import dataclasses
import math
import re
import warnings
from collections.abc import Sequence
from typing import Any

from rnd1lib.diffusion.prediction import as_ids
from rnd1lib.errors import Rnd1Error, SamplingError
from rnd1lib.kinds import Denoiser, Sampler

GAP = re.compile(r"\[\[(\d+)\]\]")
LONGEST = 1 << 20  # positions of one canvas; a typo such as [[99999999999]] must not take the machine's memory


def sampler_of(sampler: str | Sampler, options: dict[str, Any], model: Denoiser) -> Sampler:
    """The sampler component: built by name through the registry, or the one given, with `options` put over its own."""
    try:
        if isinstance(sampler, str):
            from rnd1lib.api import build

            component: Sampler = build("sampler", sampler, **options)
        else:
            component = dataclasses.replace(sampler, **options) if options else sampler  # type: ignore[type-var]
    except Rnd1Error:
        raise
    except (ValueError, TypeError) as error:
        raise SamplingError(str(error)) from error
    vocabulary = getattr(model, "vocab_size", None)
    if component.top_k is not None and vocabulary is not None and component.top_k > vocabulary:
        warnings.warn(f"top_k: {component.top_k} is above the vocabulary of {vocabulary} tokens: all are kept.", stacklevel=3)
    return component


def check(model: Denoiser, *, guidance: float, cache: object, seed: int) -> None:
    """The arguments that `generate` and `infill` share."""
    if model.mask_token_id is None:
        raise SamplingError("The model has no mask token, so there is nothing to fill in: load it with mask_token_id=...")
    if not (math.isfinite(guidance) and guidance >= 0):
        raise SamplingError(f"guidance: {guidance} is not a finite number of 0 or more (0 is none).")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise SamplingError(f"seed: {seed!r} is not an integer of 0 or more.")
    if cache is not None:
        raise SamplingError(f"cache: {cache!r} is not available: no cache is registered yet. Use cache=None.")


def prompt_ids(model: Denoiser, prompts: Sequence[str | Sequence[int]]) -> list[list[int]]:
    """Prompts as ids; a mask id in one of them is a mistake, since `generate` fills only what comes behind."""
    _check_rows("prompts", prompts)
    rows = [as_ids(model, prompt) for prompt in prompts]
    for number, row in enumerate(rows):
        _check_ids(model, f"prompt {number}", row)
        if model.mask_token_id in row:
            raise SamplingError(f"prompt {number} holds the mask id {model.mask_token_id}: use infill to fill gaps.")
    return rows


def canvas_ids(model: Denoiser, canvases: Sequence[str | Sequence[int]]) -> list[list[int]]:
    """Canvases as ids, with mask ids as gaps; in a text `[[8]]` is a gap of 8 tokens."""
    _check_rows("canvases", canvases)
    rows = [text_with_gaps(model, canvas) if isinstance(canvas, str) else as_ids(model, canvas) for canvas in canvases]
    for number, row in enumerate(rows):
        _check_ids(model, f"canvas {number}", row)
        if model.shift and row[:1] == [model.mask_token_id]:
            raise SamplingError(
                f"canvas {number} begins with a gap, and under shift 1 no token predicts the first one: put a token before it."
            )
    return rows


def text_with_gaps(model: Denoiser, text: str) -> list[int]:
    """The ids of `a [[8]] b`: each part encoded by itself, mask ids between."""
    parts = GAP.split(text)
    row = as_ids(model, parts[0])
    for gap, part in zip(parts[1::2], parts[2::2], strict=True):
        if len(gap) > 9 or int(gap) > LONGEST:
            raise SamplingError(f"[[{gap[:20]}]]: a gap of more than {LONGEST} tokens.")
        row += [model.mask_token_id] * int(gap) + as_ids(model, part)
    return row


def _check_rows(name: str, rows: object) -> None:
    if isinstance(rows, str):
        raise SamplingError(f"{name}: a single text was given where a list of them is expected: [{rows[:20]!r}].")


def _check_ids(model: Denoiser, where: str, row: list[int]) -> None:
    vocabulary = getattr(model, "vocab_size", None)
    wrong = next((token for token in row if token < 0 or (vocabulary is not None and token >= vocabulary)), None)
    if wrong is not None:
        raise SamplingError(f"{where} holds the id {wrong}, outside the vocabulary of {vocabulary or 'the model'}.")
    check_length(where, len(row))


def check_length(where: str, length: int) -> None:
    """Refuses a canvas longer than anything sensible before memory is taken for it; the model knows its own context."""
    if length > LONGEST:
        raise SamplingError(f"{where} is {length} tokens long; the longest canvas is {LONGEST}.")
