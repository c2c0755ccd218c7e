"""What a caller of `load_model` says otherwise than the folder does, checked before any weight is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from rnd1lib.errors import ModelError
from rnd1lib.models.tokens.mask_token import new_row, token_id
from rnd1lib.models.tokens.tokenizer import Tokenizer

DTYPES = ("float32", "bfloat16")


def checked_dtype(dtype: str | torch.dtype) -> str:
    """Its name. ValueError: one in which no network of ours computes."""
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise ValueError(f"dtype: {name!r} is none of {', '.join(DTYPES)}.")
    return name


def checked_device(device: str | torch.device) -> torch.device:
    """The device, on which something has been put. ValueError: there is none of this name here."""
    try:
        torch.empty(0, device=device).cpu()
        return torch.device(device)
    except (RuntimeError, AssertionError, TypeError) as error:  # torch has no class of its own for a device that is not there
        reason = str(error).partition("\n")[0]
        meant = " A GPU is called 'cuda', or 'cuda:1'." if str(device).lower().startswith("gpu") else ""
        raise ValueError(f"device: {str(device)!r} cannot be used: {reason.removesuffix('.')}.{meant}") from error


def checked_shift(shift: int | None) -> int | None:
    """0, 1 or None. ValueError: anything else."""
    if shift not in (None, 0, 1) or isinstance(shift, bool):
        raise ValueError(f"shift: {shift!r} is neither 0 nor 1.")
    return shift


def mask_entry(mask: str | Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """`{"use": name, options}` of an attention mask that is named alone or with options. ValueError: neither."""
    if isinstance(mask, str):
        return {"use": mask}
    if mask is not None and not (isinstance(mask, Mapping) and isinstance(mask.get("use"), str)):
        raise ValueError(f'attention_mask: {mask!r:.60} is neither a name nor {{"use": name, its options}}.')
    return mask


def mask_token(given: int | str | None, tokenizer: Tokenizer | None) -> int | None:
    """The id of a mask token that is named by its id or by its name in the tokenizer. ValueError: it has none."""
    try:
        token = token_id(given, tokenizer) if isinstance(given, str) else given
    except ModelError as error:
        raise ValueError(f"mask_token_id: {error}") from error
    if token is None:
        return None
    if isinstance(token, bool) or not isinstance(token, int) or token < 0:
        raise ValueError(f"mask_token_id: {given!r} is neither a token id nor a token's name.")
    return token


def with_row(
    token: int | None, config: Mapping[str, Any], tokenizer: Tokenizer | None
) -> tuple[Mapping[str, Any], Tokenizer | None]:
    """config.json and tokenizer of a model with a row for that mask token: where none is spare its table grows, as in a run.

    ModelError: the id is neither in the table nor the one that it would grow by.
    """
    if token is None or token < config["vocab_size"]:
        return config, tokenizer
    try:
        rows = new_row(token, config, tokenizer).vocab_size
    except ModelError as error:
        raise ModelError(f"mask_token_id: {error}") from error
    return {**config, "vocab_size": rows}, tokenizer and tokenizer.with_mask_token(token)
