"""What a person wrote of the mask token's first row, as the row that is meant."""

from __future__ import annotations

from typing import Literal, cast

from rnd1lib.errors import ModelError
from rnd1lib.models.origins.mask_row import FirstRow
from rnd1lib.models.tokens.mask_token import known_ids, token_id
from rnd1lib.models.tokens.tokenizer import Tokenizer


def row_of_rule(rule: str, tokenizer: Tokenizer | None, rows: int) -> FirstRow:
    """What `mean`, `zero`, `keep` or `token:ID` says of a table of so many rows; ID is a token's id or name.

    Raises ModelError for another word and for a token that is not there, in words for who named it.
    """
    trained = known_ids(tokenizer)
    if rule in ("mean", "zero", "keep"):
        return FirstRow(cast(Literal["mean", "zero", "keep"], rule), trained)
    if not rule.startswith("token:"):
        raise ModelError(f"{rule!r} is none of mean, zero, keep, token:ID.")
    name = rule.removeprefix("token:")
    token = int(name) if name.isdecimal() else token_id(name, tokenizer)
    if token >= rows:
        raise ModelError(f"token {token} is outside the vocabulary of {rows} tokens.")
    return FirstRow(token, trained)
