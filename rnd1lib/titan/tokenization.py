"""`rnd1 tokenize`: a recipe's documents encoded once, by the recipe's tokenizer, for every run that reads them later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rnd1lib.data import Faults, Tally
from rnd1lib.data.encoding import Encoding, Tokens, fault
from rnd1lib.data.shard_writer import ShardWriter, refuse_existing
from rnd1lib.errors import DataError, RecipeError
from rnd1lib.kinds import Document, Skipped
from rnd1lib.models.tokens.tokenizer import Tokenizer
from rnd1lib.titan.preparation.model_folder import decide, recipe_tokenizer
from rnd1lib.titan.preparation.start import starting_point

if TYPE_CHECKING:
    from rnd1lib.recipe import Recipe

MOST_CHARACTERS, MOST_DOCUMENTS = 2**20, 1024
"""That are given to the tokenizer together; it spreads them over the cores."""

OnProgress = Callable[[Tally, int], object]
"""Called with the documents and the tokens so far."""


def tokenize_recipe(recipe: Recipe, folder: Path, on_progress: OnProgress) -> tuple[Tally, int]:
    """Writes the documents of `recipe.data` and the tokenizer to a new folder; what became of them, and their tokens.

    RecipeError: there is no tokenizer. DataError: the folder is there already, or more documents are broken than may be.
    """
    refuse_existing(folder)
    start = starting_point(recipe)
    tokenizer = recipe_tokenizer(recipe, start)
    if tokenizer is None:
        raise RecipeError("model.tokenizer: missing. There is no tokenizer beside model.init.")
    config, facts, _ = decide(recipe, start, tokenizer)
    encoding = Encoding(tokenizer.encode_document, tokenizer.encode_conversation, config["vocab_size"], facts.mask_token_id)
    faults, tally, tokens = Faults(recipe.data.most_broken), Tally(), 0
    with ShardWriter(folder, vocabulary=tokenizer.vocabulary_sha256, vocab_size=config["vocab_size"]) as writer:
        _save(tokenizer, writer.path)
        for item in _encoded(recipe.components.data.documents(0, 1), tokenizer):
            taken = _taken(item, encoding)
            if isinstance(taken, str):
                faults.name(taken)
            elif len(taken.ids_N):
                writer.add(taken)
                tokens += len(taken.ids_N)
            tally += Tally(skipped=1) if isinstance(taken, str) else Tally(kept=1) if len(taken.ids_N) else Tally(dropped=1)
            faults.weigh(tally, through=False)
            on_progress(tally, tokens)
        faults.weigh(tally, through=True)
    return tally, tokens


def _save(tokenizer: Tokenizer, folder: Path) -> None:
    try:
        tokenizer.save(folder)
    except OSError as error:
        raise DataError(f"{folder}: the tokenizer cannot be written: {error.strerror}.") from error


def _taken(item: Document | Skipped, encoding: Encoding) -> Tokens | str:
    """A document's tokens, or what is wrong with it."""
    if isinstance(item, Skipped):
        return item.reason
    try:
        return encoding(item)
    except DataError as error:
        return fault(item, error)


def _encoded(documents: Iterable[Document | Skipped], tokenizer: Tokenizer) -> Iterator[Document | Skipped]:
    """The documents, with ids in place of texts."""
    waiting: list[Document | Skipped] = []
    characters = 0
    for document in documents:
        waiting.append(document)
        characters += len(_text(document) or "")
        if characters >= MOST_CHARACTERS or len(waiting) == MOST_DOCUMENTS:
            yield from _at_once(waiting, tokenizer)
            waiting, characters = [], 0
    yield from _at_once(waiting, tokenizer)


def _at_once(documents: list[Document | Skipped], tokenizer: Tokenizer) -> Iterator[Document | Skipped]:
    texts = list(map(_text, documents))
    ids = iter(tokenizer.encode_documents([text for text in texts if text is not None]))
    for document, text in zip(documents, texts, strict=True):
        yield document._replace(content=next(ids)) if isinstance(document, Document) and text is not None else document


def _text(document: Document | Skipped) -> str | None:
    return document.content if isinstance(document, Document) and isinstance(document.content, str) else None
