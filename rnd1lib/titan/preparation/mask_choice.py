"""What a recipe's `model.mask_token_id` and `model.mask_row` come to: which token masks, and what its row starts from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rnd1lib.errors import ModelError, RecipeError
from rnd1lib.models.origins.mask_row import FirstRow
from rnd1lib.models.origins.mask_rule import row_of_rule
from rnd1lib.models.tokens.mask_token import MaskToken, choose, known_ids
from rnd1lib.models.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from rnd1lib.recipe import Recipe
    from rnd1lib.titan.preparation.start import Start


def choose_token(recipe: Recipe, start: Start, config: Mapping[str, Any], tokenizer: Tokenizer | None) -> MaskToken:
    """The run's mask token. RecipeError: there is none, or the one that is named cannot be."""
    try:
        return choose(recipe.model.mask_token_id, config, tokenizer, declared=start.mask_token_id)
    except ModelError as error:
        raise RecipeError(f"model.mask_token_id: {error}") from error


def named(tokenizer: Tokenizer | None, token: MaskToken) -> Tokenizer | None:
    """The tokenizer, which shows the mask token by a name. RecipeError: it can have no name at its id."""
    try:
        return tokenizer and tokenizer.with_mask_token(token.id)
    except ModelError as error:
        raise RecipeError(f"model.mask_token_id: {error}") from error


def choose_row(recipe: Recipe, start: Start, mask_token_id: int, tokenizer: Tokenizer | None) -> FirstRow:
    """What its row starts from; one that was trained is kept in any case. RecipeError: a row that is not there."""
    rule, rows = recipe.model.mask_row, start.config["vocab_size"]
    if mask_token_id == start.mask_token_id:
        return FirstRow("keep", known_ids(tokenizer))
    if rule == "keep" and start.path and mask_token_id >= rows:
        raise RecipeError(
            f"model.mask_row: keep: {start.path} has {rows} rows and none for the mask token {mask_token_id}, so the table "
            "grows and there is nothing to keep. Use mean, zero or token:ID."
        )
    try:
        return row_of_rule(rule, tokenizer, rows)
    except ModelError as error:
        raise RecipeError(f"model.mask_row: {error}") from error


def starts_from(recipe: Recipe, start: Start, token: int, row: FirstRow) -> str:
    """What the mask token's row starts from, for people: a clause without its subject."""
    if start.path is None:
        return "is random like the rest"
    if token == start.mask_token_id:
        unless = "" if recipe.model.mask_row in ("mean", "keep") else f": mask_row {recipe.model.mask_row} is for a new one"
        return f"is kept as it was trained{unless}"
    if row.start == "mean":
        return "starts from the mean of the trained ones"
    return {"zero": "starts from zeros", "keep": "is the one that is there"}.get(
        str(row.start), f"starts from that of token {row.start}"
    )
