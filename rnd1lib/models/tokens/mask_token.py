"""Which id is the mask token's: the one that is named or declared, else a spare row of the table, else a new one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from rnd1lib.errors import ModelError
from rnd1lib.models.config.spelling import SPECIAL_IDS
from rnd1lib.models.tokens.mask_name import KNOWN_IDS
from rnd1lib.models.tokens.tokenizer import Tokenizer
from rnd1lib.registry import did_you_mean

BLOCK = 64
"""Rows by which table and head grow come in multiples of it: so padded, products with them are fast."""
SHOWN = 8
"""Special tokens that an error names; some tokenizers have hundreds."""


class MaskToken(NamedTuple):
    """id: of the mask token. vocab_size: rows of table and head that have it. why: where the id is from, a clause.

    warning: a sentence on what follows from an id that texts use, or nothing.
    """

    id: int
    vocab_size: int
    why: str
    warning: str = ""

    def in_words(self, tokenizer: Tokenizer | None, row: str) -> str:
        """For people: which token it is and why. row: what becomes of its row, a clause such as `starts from zeros`."""
        name = tokenizer.tokens.id_to_token(self.id) if tokenizer else None
        sentence = f"mask token {self.id if name is None else f'{self.id} {name!r}'} ({self.why}); its row {row}."
        return f"{sentence} Mind that {self.warning}" if self.warning else sentence


def choose(
    asked: int | str | None, config: Mapping[str, Any], tokenizer: Tokenizer | None, *, declared: int | None = None
) -> MaskToken:
    """The mask token of a model with this config.json: `asked`, an id or a token's name, or what is found.

    Found is the one that the model's folder declares, else the tokenizer's, else the first row that no token uses; where
    there is none the table grows, up to a multiple of 64. Raises ModelError for an id or name that cannot be: a sentence
    that begins with the value, so that the caller can say whose it is.
    """
    size = int(config["vocab_size"])
    named = token_id(asked, tokenizer) if isinstance(asked, str) else asked
    if named is None:
        own = tokenizer.mask_token_id if tokenizer else None
        if declared is None and own is None:
            return _new(config, tokenizer)
        named, why = (own, "the tokenizer's") if declared is None else (declared, "declared by the model")
    else:
        why = "as asked" + (f"; the model declares {declared}" if declared not in (None, named) else "")
    assert named is not None
    if not 0 <= named < size:
        return new_row(named, config, tokenizer)
    if named == declared:
        return MaskToken(named, size, why)
    return MaskToken(named, size, why, _use_by_texts(named, config, tokenizer))


def token_id(name: str, tokenizer: Tokenizer | None) -> int:
    """The id of the token of that name. Raises ModelError with what was probably meant."""
    if tokenizer is None:
        raise ModelError(f"{name!r} is a name, and there is no tokenizer: give an id.")
    found = tokenizer.tokens.token_to_id(name)
    if found is None:
        special = [token.content for token in tokenizer.tokens.get_added_tokens_decoder().values() if token.special]
        known = f" Its special tokens: {', '.join(special[:SHOWN])}{', ...' * (len(special) > SHOWN)}." if special else ""
        raise ModelError(f"{name!r} is no token of the tokenizer.{did_you_mean(name, special)}{known}")
    return int(found)


def known_ids(tokenizer: Tokenizer | None) -> int | None:
    """Ids that texts are encoded to lie below it; a mask token that was added later does not. None: nobody knows."""
    if tokenizer is None:
        return None
    added_from = tokenizer.config.get(KNOWN_IDS)
    return added_from if isinstance(added_from, int) else tokenizer.vocab_size


def new_row(token: int, config: Mapping[str, Any], tokenizer: Tokenizer | None) -> MaskToken:
    """The mask token of an id that has no row yet. Raises ModelError unless it is the one that growing gives."""
    new = _new(config, tokenizer) if tokenizer else None
    if new and new.id == token:
        return new
    instead = f" Possible is {new.id} ({new.why})." if new else ""
    raise ModelError(f"{token} is outside the vocabulary of {config['vocab_size']} tokens.{instead}")


def first_free_id(config: Mapping[str, Any], tokenizer: Tokenizer) -> int:
    """The id above every one that the tokenizer or config.json uses."""
    size = int(config["vocab_size"])
    if tokenizer.vocab_size > size:
        raise ModelError(f"the tokenizer's {tokenizer.vocab_size} tokens do not fit the model's vocabulary of {size}.")
    return max(tokenizer.vocab_size, *(token + 1 for token in _config_ids(config) if token < size), 0)


def _new(config: Mapping[str, Any], tokenizer: Tokenizer | None) -> MaskToken:
    size = int(config["vocab_size"])
    if tokenizer is None:
        raise ModelError(
            "missing. Neither the model nor a tokenizer names a mask token, and without a tokenizer it is not known which ids "
            "texts use. Name an id that none uses, such as a spare row of the embedding table, or a tokenizer."
        )
    free = first_free_id(config, tokenizer)
    if free < size:
        return MaskToken(free, size, f"the first of {size - free} spare rows")
    grown = -(-(free + 1) // BLOCK) * BLOCK
    return MaskToken(free, grown, f"new: no row was spare, so the table grows from {size} to {grown} rows")


def _use_by_texts(token: int, config: Mapping[str, Any], tokenizer: Tokenizer | None) -> str:
    """ModelError: the token has a use in every text. A warning: some text may hold it. Nothing: none does."""
    name = tokenizer.tokens.id_to_token(token) if tokenizer else None
    known = token if name is None else f"{token} ({name!r})"
    if role := next(_roles(token, name, config, tokenizer), None):
        raise ModelError(
            f"{known} is {role}, which the model has to see and to write. Choose a special token that no text uses, or leave "
            "it out to have a spare or new row."
        )
    added = tokenizer.tokens.get_added_tokens_decoder() if tokenizer else {}
    if name is None or (token in added and added[token].special):
        return ""
    return f"texts may hold {known}: documents that do are left out as broken, and the model will never write it."


def _roles(token: int, name: str | None, config: Mapping[str, Any], tokenizer: Tokenizer | None) -> Iterator[str]:
    """What a token is for, other than to be masked by."""
    words = {"bos": "what starts a text", "eos": "what ends a text", "pad": "what fills rows up"}
    for key in SPECIAL_IDS:
        if token in (*_config_ids(config, key), getattr(tokenizer, key, None)):
            yield words[key[:3]]
    if tokenizer is None or name is None:
        return
    if token == tokenizer.turn_end_id:
        yield "what ends a turn"
    template = tokenizer.config.get("chat_template")
    if template and token in tokenizer.tokens.get_added_tokens_decoder() and name in json.dumps(template, ensure_ascii=False):
        yield "a part of the chat template"
    if name == getattr(tokenizer.tokens.model, "unk_token", None):
        yield "what stands for unknown words"


def _config_ids(config: Mapping[str, Any], *keys: str) -> list[int]:
    """The special ids that config.json names; chat models list several ends."""
    values = [config.get(key) for key in keys or SPECIAL_IDS]
    listed = [each for value in values for each in (value if isinstance(value, list) else [value])]
    return [each for each in listed if isinstance(each, int) and each >= 0]
