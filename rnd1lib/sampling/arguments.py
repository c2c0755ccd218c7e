"""What a caller may ask of `generate` and `infill`, checked before the model is: each mistake is one sentence."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rnd1lib.diffusion.prediction import as_ids, listed, start_token
from rnd1lib.errors import Note, Rnd1Error, SamplingError
from rnd1lib.kinds import Denoiser, Sampler
from rnd1lib.sampling.cache import POLICIES, is_exact
from rnd1lib.sampling.gaps import LONGEST, ids_with_gaps

UNKNOWN_VOCABULARY = 1 << 31  # ids of a model that does not say how many it has

Row = str | Sequence[int]


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
    if not hasattr(component, "decide"):
        raise SamplingError(f"sampler: {component!r:.60} is neither the name of a sampler nor one that was built.")
    vocabulary = getattr(model, "vocab_size", None)
    if component.top_k is not None and vocabulary is not None and component.top_k > vocabulary:
        sentence = f"top_k: {component.top_k} is above the vocabulary of {vocabulary} tokens: all are kept."
        warnings.warn(sentence, Note, stacklevel=3)
    return component


def check(model: Denoiser, *, guidance: float, cache: str | None, seed: int) -> None:
    """The arguments that `generate` and `infill` share."""
    _check_model(model)
    if model.mask_token_id is None:
        raise SamplingError("The model has no mask token, so there is nothing to fill in: load it with mask_token_id=...")
    if not (isinstance(guidance, (int, float)) and math.isfinite(guidance) and guidance >= 0):
        raise SamplingError(f"guidance: {guidance!r} is not a finite number of 0 or more (0 is none).")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise SamplingError(f"seed: {seed!r} is not an integer of 0 or more.")
    if cache is not None:
        _check_cache(model, cache)


def _check_model(model: Any) -> None:
    """Refuses what a model was to be loaded from, and what only looks like one."""
    if isinstance(model, str | Path):
        raise SamplingError(f"model: {str(model)!r} is a path: load the model first, load_model({str(model)!r}).")
    if model is None:
        raise SamplingError("model: None is no model: load_model(PATH) gives one.")
    missing = next((name for name in ("logits", "shift") if not hasattr(model, name)), None)
    if missing is not None:
        raise SamplingError(f"model: a {type(model).__name__} is no model to sample from: it has no {missing}.")


def _check_cache(model: Denoiser, cache: str) -> None:
    if cache not in list(POLICIES):
        raise SamplingError(f"cache: {cache!r} is none of {', '.join(POLICIES)} (None: no cache).")
    missing = [name for name in ("prefill", "extend") if not hasattr(model, name)]
    if missing:
        raise SamplingError(f"cache: {cache!r} needs a model that keeps keys and values, and this one has no {missing[0]}.")
    if not is_exact(model, cache):
        sentence = f"cache: {cache} is approximate on this model, where a token sees what stands behind it."
        warnings.warn(sentence, Note, stacklevel=5)


def prompt_ids(
    model: Denoiser, prompts: Sequence[Row], max_new_tokens: int, numbers: Sequence[int] | None = None
) -> list[list[int]]:
    """Prompts as ids, each with room for `max_new_tokens` behind it; under shift 1 an empty one gets a start token.

    A mask id in one of them is a mistake, since `generate` fills only what comes behind. numbers: how errors name them.
    """
    if isinstance(max_new_tokens, bool) or not isinstance(max_new_tokens, int) or max_new_tokens < 0:
        raise SamplingError(f"max_new_tokens: {max_new_tokens!r} is not an integer of 0 or more.")
    rows = []
    for name, prompt in _named("prompt", prompts, numbers):
        row = as_ids(model, prompt, name)
        if model.shift and max_new_tokens:
            row = row or [start_token(model)]
        _check_ids(model, name, row)
        if model.mask_token_id in row:
            raise SamplingError(f"{name} holds the mask id {model.mask_token_id}: use infill to fill gaps.")
        _check_length(model, name, len(row), max_new_tokens)
        rows.append(row)
    return rows


def canvas_ids(model: Denoiser, canvases: Sequence[Row], numbers: Sequence[int] | None = None) -> list[list[int]]:
    """Canvases as ids, with mask ids as gaps; in a text `[[8]]` is a gap of 8 tokens. numbers: how errors name them."""
    rows = []
    for name, canvas in _named("canvas", canvases, numbers):
        row = ids_with_gaps(model, canvas) if isinstance(canvas, str) else as_ids(model, canvas, name)
        _check_ids(model, name, row)
        if model.shift and row[:1] == [model.mask_token_id]:
            raise SamplingError(
                f"{name} begins with a gap, and under shift 1 no token predicts the first one: put a token before it."
            )
        _check_length(model, name, len(row))
        rows.append(row)
    return rows


def _named(kind: str, rows: Sequence[Row], numbers: Sequence[int] | None) -> Iterator[tuple[str, Row]]:
    """Each row with what errors call it."""
    several = listed(rows, "canvases" if kind == "canvas" else "prompts")
    if numbers is not None:
        _check_numbers(numbers, len(several))
    return ((f"{kind} {number}", row) for number, row in zip(numbers or range(len(several)), several, strict=True))


def _check_numbers(numbers: Sequence[int], rows: int) -> None:
    """Of rows: the places of a hash, and what a trace calls them."""
    if not isinstance(numbers, Sequence) or any(type(number) is not int or number < 0 for number in numbers):
        raise SamplingError(f"numbers: {numbers!r:.40} is no list of integers of 0 or more.")
    if len(numbers) != rows:
        raise SamplingError(f"numbers: {len(numbers)} were given for {rows} rows.")


def _check_ids(model: Denoiser, where: str, row: list[int]) -> None:
    vocabulary = getattr(model, "vocab_size", None) or UNKNOWN_VOCABULARY
    wrong = next((token for token in row if not 0 <= token < vocabulary), None)
    if wrong is not None:
        raise SamplingError(f"{where} holds the id {wrong}, outside the vocabulary: ids go from 0 to {vocabulary - 1}.")


def _check_length(model: Denoiser, where: str, length: int, new: int = 0) -> None:
    """Refuses a canvas longer than the model's context, or than anything sensible, before memory is taken for it."""
    context = getattr(model, "context_length", LONGEST)
    if length + new > context:
        with_new = f" and {new} new ones are {length + new}" if new else ""
        raise SamplingError(f"{where} is too long: its {length} tokens{with_new}, and the model's context is {context}.")
