"""Ids as a person writes and reads them: as text, in which `[[8]]` is a gap of 8 tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from rnd1lib.diffusion.prediction import as_ids
from rnd1lib.errors import SamplingError
from rnd1lib.kinds import Denoiser

GAP = re.compile(r"\[\[(\d+)\]\]")
LONGEST = 1 << 20
"""Positions of one canvas: a typo such as [[99999999999]] must not take the machine's memory."""


def ids_with_gaps(model: Denoiser, text: str) -> list[int]:
    """The ids of `a [[8]] b`: each part encoded by itself, mask ids between. SamplingError: a gap that is too long."""
    parts = GAP.split(text)
    row = as_ids(model, parts[0])
    for gap, part in zip(parts[1::2], parts[2::2], strict=True):
        if len(gap) > 9 or int(gap) > LONGEST:
            raise SamplingError(f"[[{gap[:20]}]]: a gap of more than {LONGEST} tokens.")
        row += [model.mask_token_id] * int(gap) + as_ids(model, part)
    return row


def text_with_gaps(model: Denoiser, ids: Sequence[int]) -> str:
    """The way back, for an unfinished canvas: what is still masked is written `[[n]]`."""
    runs = [(masked, list(run)) for masked, run in groupby(ids, key=lambda token: token == model.mask_token_id)]
    between = " " if getattr(model, "tokenizer", None) is None else ""  # then a text is numbers
    return between.join(f"[[{len(run)}]]" if masked else as_text(model, run) for masked, run in runs)


def as_text(model: Denoiser, ids: Sequence[int]) -> str:
    """Ids as text; as numbers where the model has no tokenizer."""
    tokenizer = getattr(model, "tokenizer", None)
    return " ".join(map(str, ids)) if tokenizer is None else str(tokenizer.decode(ids))
