"""What a caller of `load_model` says otherwise than the folder does, checked before any weight is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from rnd1lib.models.tokenizer import Tokenizer
from rnd1lib.registry import did_you_mean

DTYPES = ("float32", "bfloat16")
SHOWN = 8
"""Special tokens that an error names; some tokenizers have hundreds."""


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
    token = _of_name(given, tokenizer) if isinstance(given, str) else given
    if token is None:
        return None
    if isinstance(token, bool) or not isinstance(token, int) or token < 0:
        raise ValueError(f"mask_token_id: {given!r} is neither a token id nor a token's name.")
    return token


def _of_name(name: str, tokenizer: Tokenizer | None) -> int:
    if tokenizer is None:
        raise ValueError(f"mask_token_id: {name!r} is a name, and this model has no tokenizer: give an id.")
    token: int | None = tokenizer.tokens.token_to_id(name)
    if token is None:
        special = [each.content for each in tokenizer.tokens.get_added_tokens_decoder().values() if each.special]
        known = f" Its special tokens: {', '.join(special[:SHOWN])}{', ...' * (len(special) > SHOWN)}." if special else ""
        raise ValueError(f"mask_token_id: {name!r} is no token of this model's tokenizer.{did_you_mean(name, special)}{known}")
    return token
