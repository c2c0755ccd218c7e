"""A name for a mask token that a tokenizer does not know, such as row 151669 of Qwen3's table, at exactly its id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tokenizers
from tokenizers import AddedToken

from rnd1lib.errors import ModelError

NAME, UNUSED = "<|mask|>", "<|unused_{}|>"
KNOWN_IDS = "ids_before_mask_token"
"""In tokenizer_config.json: from this id on names were added here, and no text was ever encoded to them."""


def with_name(
    tokens: tokenizers.Tokenizer, config: Mapping[str, Any], mask_token_id: int
) -> tuple[tokenizers.Tokenizer, dict[str, Any]]:
    """A copy in which that id is a special token, and tokenizer_config.json with its name as `mask_token`.

    An id that has a name keeps it; one that is a piece of ordinary text is left as it is, since every such piece of a
    text would be a mask. Ids are given one after the other, so those between the last one and the mask's are filled
    with names that no text has. Raises ModelError for an id that is left out below the last one.
    """
    name = tokens.id_to_token(mask_token_id)
    if name is not None:
        others = {key: value for key, value in config.items() if key != "mask_token"}
        special = mask_token_id in tokens.get_added_tokens_decoder()
        return tokens, others | ({"mask_token": name} if special else {})
    vocabulary = tokens.get_vocab(with_added_tokens=True)
    first = max(vocabulary.values(), default=-1) + 1
    name = NAME if NAME not in vocabulary else f"<|mask_{mask_token_id}|>"
    names = [*map(UNUSED.format, range(first, mask_token_id)), name]
    copy = tokenizers.Tokenizer.from_str(tokens.to_str())
    added = [AddedToken(each, special=True, normalized=False) for each in names]
    copy.add_special_tokens(added)
    if copy.token_to_id(name) != mask_token_id:
        raise ModelError(f"The tokenizer leaves out id {mask_token_id}, and a name can only be given behind its last one.")
    written = {**config, "mask_token": name, KNOWN_IDS: config.get(KNOWN_IDS, first)}
    if isinstance(listed := config.get("added_tokens_decoder"), Mapping):
        entries = {str(token_id): _entry(each) for token_id, each in enumerate(added, start=first)}
        written["added_tokens_decoder"] = {**listed, **entries}
    return copy, written


def _entry(token: AddedToken) -> dict[str, Any]:
    flags = ("lstrip", "normalized", "rstrip", "single_word", "special")
    return {"content": token.content, **{flag: getattr(token, flag) for flag in flags}}
