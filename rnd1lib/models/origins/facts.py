"""What a model says of itself: `rnd1_config.json` beside config.json, or what follows from config.json without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from rnd1lib.errors import ModelError
from rnd1lib.models.origins.folder import FACTS, read_json, write_json
from rnd1lib.models.tokens.tokenizer import Tokenizer

BIDIRECTIONAL, CAUSAL = {"use": "bidirectional"}, {"use": "causal"}
GIVEN = "given"


class Known(NamedTuple):
    """What is known of every folder of a `model_type`: a diffusion model with this shift, mask token and attention."""

    shift: int
    mask_token_id: int
    attention_mask: Mapping[str, Any] = BIDIRECTIONAL


KNOWN: Mapping[str, Known] = {
    "rnd1": Known(1, 151669),
    "Dream": Known(1, 151666),
    "dream": Known(1, 151666),
    "llada": Known(0, 126336),
    "lladamoe": Known(0, 156895),
    "a2d-qwen3": Known(0, 151669),
    "sdar": Known(0, 151669, {"use": "block_causal", "block_length": 4}),
    "sdar_moe": Known(0, 151669, {"use": "block_causal", "block_length": 4}),
}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """How a model is to be read. attention_mask, noise: `{"use": name, options}`. step: finished training steps.

    said_by: who says the shift, the mask token and the attention mask, as far as that is known.
    mask_token: which it is and why, and what its row started from: for people, of a run.
    """

    shift: int
    mask_token_id: int | None
    attention_mask: Mapping[str, Any]
    noise: Mapping[str, Any] | None = None
    step: int = 0
    said_by: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    mask_token: str | None = field(default=None, compare=False)

    def write(self, folder: Path) -> None:
        """Writes rnd1_config.json."""
        own = {key: value for key, value in asdict(self).items() if key in RECORDED}
        write_json(folder / FACTS, own)

    @property
    def autoregressive(self) -> bool:
        """Whether it was never trained to fill in masks, though it may name a token for that."""
        return self.noise is None and self.attention_mask == CAUSAL

    def altered(self, **given: Any) -> Facts:
        """With what a caller says in their place; None says nothing."""
        given = {key: value for key, value in given.items() if value is not None}
        return replace(self, **given, said_by={**self.said_by, **dict.fromkeys(given, GIVEN)})

    def in_words(self, tokenizer: Tokenizer | None) -> str:
        """A line for people, such as `shift 1, mask token 9 '<|mask|>', bidirectional (known of model_type 'rnd1')`."""
        name = None if tokenizer is None or self.mask_token_id is None else tokenizer.tokens.id_to_token(self.mask_token_id)
        options = dict(self.attention_mask)
        use = options.pop("use")
        mask = "no mask token" if self.mask_token_id is None else f"mask token {self.mask_token_id}"
        words = {
            "shift": f"shift {self.shift}",
            "mask_token_id": mask if name is None else f"{mask} {name!r}",
            "attention_mask": " ".join([use, *(f"{key} {value}" for key, value in options.items())]),
        }
        said = [
            (", ".join(words[key] for key in keys), who) for who, keys in groupby(words, key=lambda key: self.said_by.get(key))
        ]
        return ", ".join(what if who is None else f"{what} ({who})" for what, who in said)


RECORDED = ("shift", "mask_token_id", "attention_mask", "noise", "step", "mask_token")
"""What rnd1_config.json holds."""


def read_facts(folder: Path, config: Mapping[str, Any], mask_token_id: int | None = None) -> Facts:
    """The facts of a model folder; `mask_token_id` is its tokenizer's, the last resort. Raises ModelError.

    Without rnd1_config.json: what is KNOWN of its model_type, or else an autoregressive model's: shift 1, causal save where
    config.json says `is_causal: false`. The mask token is the one that config.json, the tokenizer or KNOWN names.
    """
    if (folder / FACTS).is_file():
        return _recorded(folder / FACTS)
    model_type = config.get("model_type")
    known = KNOWN.get(str(model_type))
    table = f"known of model_type {model_type!r}" if known else "assumed, since nothing says that it is a diffusion model"
    named = [
        ("config.json", config.get("mask_token_id")),
        ("the tokenizer", mask_token_id),
        (table, known and known.mask_token_id),
    ]
    who, token = next(((who, token) for who, token in named if token is not None), (table, None))
    causal = CAUSAL if config.get("is_causal") is not False else BIDIRECTIONAL
    return Facts(
        shift=known.shift if known else 1,
        mask_token_id=token,
        attention_mask=known.attention_mask if known else causal,
        said_by={
            "shift": table,
            "mask_token_id": who,
            "attention_mask": table if known or causal is CAUSAL else "config.json",
        },
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
    own = {key: values[key] for key in RECORDED if key in values}
    return Facts(**{"mask_token_id": None, **own}, said_by=dict.fromkeys(RECORDED, FACTS))


def _names_a_component(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("use"), str)
