"""What a model says of itself: `rnd1_config.json` beside config.json, or what follows from config.json without it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rnd1lib.errors import ModelError
from rnd1lib.models.folder import FACTS, read_json

DIFFUSION_TYPES = ("rnd1",)  # `model_type` of folders that are diffusion models whatever else they say


@dataclass(frozen=True, kw_only=True)
class Facts:
    """How a model is to be read. attention_mask, noise: `{"use": name, options}`. step: finished training steps."""

    shift: int
    mask_token_id: int | None
    attention_mask: Mapping[str, Any]
    noise: Mapping[str, Any] | None = None
    step: int = 0

    def write(self, folder: Path) -> None:
        """Writes rnd1_config.json."""
        (folder / FACTS).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def read_facts(folder: Path, config: Mapping[str, Any], mask_token_id: int | None = None) -> Facts:
    """The facts of a model folder; `mask_token_id` is its tokenizer's, the last resort. Raises ModelError.

    Without rnd1_config.json: shift 1; bidirectional for RND1's own folders and where config.json says `is_causal: false`,
    else causal; the mask token that config.json names.
    """
    if (folder / FACTS).is_file():
        return _recorded(folder / FACTS)
    causal = config.get("model_type") not in DIFFUSION_TYPES and config.get("is_causal") is not False
    named = config.get("mask_token_id")
    return Facts(
        shift=1,
        mask_token_id=mask_token_id if named is None else named,
        attention_mask={"use": "causal" if causal else "bidirectional"},
    )


def _recorded(path: Path) -> Facts:
    values = read_json(path)
    mask, noise, token = values.get("attention_mask"), values.get("noise"), values.get("mask_token_id")
    problems = {
        f"shift: {values.get('shift')!r} is neither 0 nor 1.": values.get("shift") not in (0, 1),
        f"mask_token_id: {token!r} is no token id.": not (token is None or (isinstance(token, int) and token >= 0)),
        f"attention_mask: {mask!r} names no component as 'use'.": not _names_a_component(mask),
        f"noise: {noise!r} names no component as 'use'.": not (noise is None or _names_a_component(noise)),
        f"step: {values.get('step')!r} is no number of steps.": not isinstance(values.get("step", 0), int),
    }
    wrong = [f"{path}: {sentence}" for sentence, holds in problems.items() if holds]
    if wrong:
        raise ModelError("\n".join(wrong))
    return Facts(**{key: values[key] for key in Facts.__dataclass_fields__ if key in values})


def _names_a_component(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("use"), str)
