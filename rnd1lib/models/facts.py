"""What a model says of itself: `rnd1_config.json` beside config.json, or what follows from config.json without it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rnd1lib.errors import ModelError
from rnd1lib.models.folder import FACTS, read_json


class Known(NamedTuple):
    """What is known of every folder of a `model_type`: a bidirectional diffusion model with this shift and mask token."""

    shift: int
    mask_token_id: int


KNOWN: Mapping[str, Known] = {
    "rnd1": Known(1, 151669),
    "Dream": Known(1, 151666),
    "dream": Known(1, 151666),
    "llada": Known(0, 126336),
    "lladamoe": Known(0, 156895),
}


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

    Without rnd1_config.json: what is KNOWN of its model_type, or else an autoregressive model's: shift 1, causal save where
    config.json says `is_causal: false`. The mask token is the one that config.json, the tokenizer or KNOWN names.
    """
    if (folder / FACTS).is_file():
        return _recorded(folder / FACTS)
    known = KNOWN.get(str(config.get("model_type")))
    both_ways = known is not None or config.get("is_causal") is False
    named = (config.get("mask_token_id"), mask_token_id, known and known.mask_token_id)
    return Facts(
        shift=known.shift if known else 1,
        mask_token_id=next((token for token in named if token is not None), None),
        attention_mask={"use": "bidirectional" if both_ways else "causal"},
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
