"""`model/` of a run folder: config.json, rnd1_config.json and the tokenizer, decided once at the first start."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rnd1lib.data import whole_documents
from rnd1lib.disk import replace_text
from rnd1lib.errors import RecipeError
from rnd1lib.kinds import Conversation, Document
from rnd1lib.models.config.spelling import SPECIAL_IDS
from rnd1lib.models.origins.facts import Facts
from rnd1lib.models.origins.folder import CONFIG, locate
from rnd1lib.models.tokens.loading import load_tokenizer
from rnd1lib.models.tokens.mask_token import known_ids
from rnd1lib.models.tokens.tokenizer import Tokenizer, train_tokenizer
from rnd1lib.titan.preparation.mask_choice import choose_row, choose_token, named, starts_from
from rnd1lib.titan.preparation.start import Start

if TYPE_CHECKING:
    from rnd1lib.recipe import Recipe

MOST_DOCUMENTS = 100_000
"""That a tokenizer is trained on: more of them hardly change it, and a streamed source may have no end worth waiting for."""


class Decided(NamedTuple):
    """What a run's `model/` holds; a table that has to grow for the mask token has its new size in the config."""

    config: dict[str, Any]
    facts: Facts
    tokenizer: Tokenizer | None


def trains_tokenizer(recipe: Recipe) -> bool:
    """Whether the first start makes the tokenizer from the data."""
    return isinstance(recipe.model.tokenizer, dict)


def given_tokenizer(recipe: Recipe, start: Start) -> Tokenizer | None:
    """The tokenizer that the recipe names or that lies beside `init`; None if there is none. RecipeError: none as named."""
    named = recipe.model.tokenizer
    if isinstance(named, str):
        if tokenizer := load_tokenizer(locate(named)):
            return tokenizer
        raise RecipeError(f"model.tokenizer: {named} holds no tokenizer.json.")
    return start.tokenizer


def recipe_tokenizer(recipe: Recipe, start: Start) -> Tokenizer | None:
    """The tokenizer that a run would have, made from the data where the recipe asks for that; None if there is none.

    RecipeError: it is to be made, and the weights know another's ids.
    """
    if not trains_tokenizer(recipe):
        return given_tokenizer(recipe, start)
    tokenizer, own = _trained(recipe), start.tokenizer
    if own and own.vocabulary_sha256 != tokenizer.vocabulary_sha256:
        raise RecipeError(_another_than_its_own(start))
    return tokenizer


def vocabulary_problems(recipe: Recipe, start: Start) -> list[str]:
    """A sentence for what is known to hold ids of another tokenizer than the run's: each of the data, and `model.init`."""
    evaluators = recipe.components.evaluators.values()
    given = [recipe.components.data, *(getattr(evaluator, "data", None) for evaluator in evaluators)]
    tokens = [data for each in given for data in _sources(each) if hasattr(data, "vocabulary_sha256")]
    if tokens and trains_tokenizer(recipe):
        return [f"model.tokenizer: {{train: ...}} needs texts, and {tokens[0]!r} are token ids. Use the tokenizer beside them."]
    if trains_tokenizer(recipe) and (known_ids(start.tokenizer) or 0) > recipe.model.tokenizer["train"]:
        return [_another_than_its_own(start)]
    tokenizer = given_tokenizer(recipe, start) if tokens else None
    return [
        f"data: {data!r} was encoded with another tokenizer than the model's. Encode it again (`rnd1 tokenize`) with this one."
        for data in tokens
        if tokenizer is not None and data.vocabulary_sha256 != tokenizer.vocabulary_sha256
    ]


def _another_than_its_own(start: Start) -> str:
    return (
        f"model.tokenizer: {{train: ...}} makes another tokenizer than that of {start.path}, whose ids its weights know. "
        "Say model.tokenizer=null: then its own is used."
    )


def _sources(data: Any) -> Iterator[Any]:
    """The component, and those that are its options."""
    yield data
    for inner in getattr(data, "sources", {}).values():
        yield from _sources(inner)


def write_model_folder(recipe: Recipe, start: Start, folder: Path) -> None:
    """Writes it, config.json last of all."""
    folder.mkdir(parents=True, exist_ok=True)
    config, facts, tokenizer = decide(recipe, start, recipe_tokenizer(recipe, start))
    if facts.mask_token:
        print(facts.mask_token, file=sys.stderr)
    if tokenizer is not None:
        tokenizer.save(folder)
    facts.write(folder)
    replace_text(folder / CONFIG, json.dumps(config, indent=2) + "\n")


def decide(recipe: Recipe, start: Start, tokenizer: Tokenizer | None) -> Decided:
    """The network's config with its special ids, what the run's models will say of themselves, and their tokenizer.

    RecipeError: a tokenizer that does not fit the vocabulary, no end-of-text, no mask token where the objective masks.
    """
    config, objective = _with_special_ids(recipe, start, tokenizer), recipe.components.objective
    facts = Facts(shift=objective.shift, mask_token_id=None, attention_mask=recipe.tree["attention_mask"])
    if not objective.corrupts:
        return Decided(config, facts, tokenizer)
    token = choose_token(recipe, start, config, tokenizer)
    tokenizer = named(tokenizer, token)
    row = choose_row(recipe, start, token.id, tokenizer)
    sentence = token.in_words(tokenizer, starts_from(recipe, start, token.id, row))
    facts = replace(facts, mask_token_id=token.id, noise=recipe.tree.get("noise"), mask_token=sentence)
    return Decided(config | {"vocab_size": token.vocab_size}, facts, tokenizer)


def _with_special_ids(recipe: Recipe, start: Start, tokenizer: Tokenizer | None) -> dict[str, Any]:
    config = dict(start.config)
    if tokenizer is not None:
        count, room = tokenizer.vocab_size, config["vocab_size"]
        if count > room:
            raise RecipeError(f"model.tokenizer: its {count} tokens do not fit the model's vocabulary of {room}.")
        own = {key: getattr(tokenizer, key) for key in SPECIAL_IDS}
        config |= own if trains_tokenizer(recipe) else {key: own[key] for key in own if config.get(key) is None}
    if isinstance(config.get("eos_token_id"), list):
        config["eos_token_id"] = config["eos_token_id"][0]  # chat models list several; data end in the first
    if config.get("eos_token_id") is None:
        raise RecipeError("model: neither config.json nor the tokenizer names an end-of-text token (eos_token_id).")
    return config


def _trained(recipe: Recipe) -> Tokenizer:
    documents = itertools.islice(whole_documents(recipe.components.data), MOST_DOCUMENTS)
    texts = (text for document in documents for text in _texts(document))
    return train_tokenizer(texts, recipe.model.tokenizer["train"])


def _texts(document: Document) -> list[str]:
    """What a tokenizer can learn from: a text, or what was said; token ids have none."""
    if isinstance(document.content, Conversation):
        return [message["content"] for message in document.content.messages]
    return [document.content] if isinstance(document.content, str) else []
