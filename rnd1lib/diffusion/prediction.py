"""Asking a denoiser about positions: the shift, padding and guidance in one place, for sampling and likelihood alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from operator import index
from typing import Any

import torch
from torch import Tensor

from rnd1lib.diffusion.shift import rows_that_predict
from rnd1lib.errors import SamplingError
from rnd1lib.kinds import Denoiser


def left_align(rows: Sequence[Sequence[int]], model: Denoiser) -> tuple[Tensor, Tensor]:
    """Rows of unequal length as one canvas: ids [B, L] and lengths [B], int64 on the model's device.

    Filled up on the right with the padding token; a canvas is never padded on the left, so positions count from 0.
    """
    filler = next(token for token in (model.pad_token_id, model.eos_token_id, 0) if token is not None)
    width = max(map(len, rows), default=0)
    ids_BL = torch.tensor([[*row, *[filler] * (width - len(row))] for row in rows], dtype=torch.int64)
    lengths_B = torch.tensor([len(row) for row in rows], dtype=torch.int64)
    device = getattr(model, "device", "cpu")
    return ids_BL.reshape(len(rows), width).to(device), lengths_B.to(device)


def predict(
    model: Denoiser,
    ids_BL: Tensor,
    asked_BL: Tensor,
    *,
    lengths_B: Tensor | None = None,
    given_BL: Tensor | None = None,
    guidance: float = 0.0,
) -> Tensor:
    """Logits [N, V] of the N positions in `asked_BL`, row by row, in one call of the model with its LM head on those alone.

    lengths_B: what lies behind is padding, a document of its own. guidance w > 0: u + (w + 1)(c - u), where u comes from a
    canvas in which all of `given_BL` is masked, save the first token under shift 1, which no row predicts (Nie et al.
    2025, appendix A.2; Ho & Salimans 2022). Under shift 1 position 0 cannot be asked about.
    """
    rows_BL = rows_that_predict(asked_BL, model.shift)
    positions_L = torch.arange(ids_BL.shape[1], device=ids_BL.device)
    padding_BL = None if lengths_B is None or bool((lengths_B == len(positions_L)).all()) else positions_L >= lengths_B[:, None]
    documents_BL = None if padding_BL is None else padding_BL.long()
    if not guidance or given_BL is None:
        return model.logits(ids_BL, rows_BL=rows_BL, documents_BL=documents_BL)
    twins_TL = with_twins(model, ids_BL, given_BL)
    twice = None if documents_BL is None else documents_BL.repeat(2, 1)
    return guided(model.logits(twins_TL, rows_BL=rows_BL.repeat(2, 1), documents_BL=twice), guidance)


def with_twins(model: Denoiser, ids_BL: Tensor, given_BL: Tensor) -> Tensor:
    """[2B, L]: the canvases, and then each without what it was given, save the first token under shift 1."""
    positions_L = torch.arange(ids_BL.shape[1], device=ids_BL.device)
    forgotten_BL = given_BL & (positions_L >= model.shift)
    return torch.cat([ids_BL, ids_BL.masked_fill(forgotten_BL, model.mask_token_id)])


def guided(logits_TV: Tensor, guidance: float) -> Tensor:
    """u + (w + 1)(c - u) of the logits c of the canvases and u of their twins, [2N, V]: float32 [N, V]."""
    conditional_NV, unconditional_NV = logits_TV.float().chunk(2)
    return unconditional_NV + (guidance + 1) * (conditional_NV - unconditional_NV)


def end_tokens(model: Denoiser) -> tuple[int, ...]:
    """What ends a text: `eos_token_id`, and what else the model has in `end_token_ids`, such as the end of a turn."""
    own = () if model.eos_token_id is None else (model.eos_token_id,)
    return tuple(dict.fromkeys([*own, *getattr(model, "end_token_ids", ())]))


def start_token(model: Denoiser) -> int:
    """The token that stands before an empty prompt under shift 1: a beginning of text, else the end of the text before."""
    token = getattr(model, "bos_token_id", None)
    token = model.eos_token_id if token is None else token
    if token is None:
        raise SamplingError(
            "An empty prompt under shift 1 needs a token before it, and this model has neither a bos nor an eos token. "
            "Give at least one token."
        )
    return token


def listed(rows: Iterable[str | Sequence[int]], what: str) -> list[str | Sequence[int]]:
    """Texts and lists of ids, or the rows of a tensor or an array. SamplingError: a single one of them, or none."""
    if isinstance(rows, str):
        raise SamplingError(f"A single text was given where a list of them is expected: [{rows[:20]!r}].")
    try:
        several = list(rows)
    except TypeError:
        raise SamplingError(f"{what}: {rows!r:.40} is no list of texts or of lists of ids.") from None
    if several and all(_is_integer(each) for each in several):
        first = ", ".join(str(index(each)) for each in several[:5])  # type: ignore[arg-type]
        dots = ", ..." * (len(several) > 5)
        raise SamplingError(f"A single list of ids was given where a list of them is expected: [[{first}{dots}]].")
    return several


def as_ids(model: Denoiser, text: str | Sequence[int], name: str = "a row") -> list[int]:
    """A prompt's or an answer's ids: a text by the model's tokenizer; ids as they are, in a list, tensor or array of integers.

    SamplingError: neither; `name` is what it calls it.
    """
    if not isinstance(text, str):
        return [_token_id(token, name) for token in _items(text, name)]
    tokenizer = getattr(model, "tokenizer", None)
    if tokenizer is None and text:
        raise SamplingError(f"{text[:40]!r} is text, and the model has no tokenizer: give lists of ids.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise SamplingError(f"{text[:40]!a} is no text that UTF-8 can write: {error.reason}.") from None
    return list(tokenizer.encode(text)) if tokenizer is not None else []


def _items(row: Any, name: str) -> Iterable[Any]:
    """What a list, tensor or array holds."""
    if isinstance(row, bytes | Mapping | Set) or not isinstance(row, Iterable):
        raise SamplingError(f"{name}: {row!r:.40} is no list of token ids.")
    items: Iterable[Any] = row.tolist() if hasattr(row, "tolist") else row
    return items


def _token_id(token: Any, name: str) -> int:
    if not _is_integer(token):
        raise SamplingError(f"{name}: {token!r:.40} is no token id: ids are integers.")
    return index(token)


def _is_integer(value: Any) -> bool:
    """Whether it is one integer, of whatever library."""
    if isinstance(value, bool) or getattr(value, "ndim", None):
        return False
    try:
        index(value)
    except TypeError:
        return False
    return True
