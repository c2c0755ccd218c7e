"""`rnd1 tokenize`: a recipe's documents encoded once, by the recipe's tokenizer, for every run that reads them later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rnd1lib.data import whole_documents
from rnd1lib.data.encoding import Encoding
from rnd1lib.data.shard_writer import ShardWriter, refuse_existing
from rnd1lib.data.shards import Header, open_shards
from rnd1lib.errors import RecipeError
from rnd1lib.kinds import Document
from rnd1lib.models.tokenizer import Tokenizer
from rnd1lib.titan.model_folder import decide, recipe_tokenizer
from rnd1lib.titan.plan import starting_point

if TYPE_CHECKING:
    from rnd1lib.recipe import Recipe

MOST_CHARACTERS, MOST_DOCUMENTS = 2**20, 1024
"""That are given to the tokenizer together; it spreads them over the cores."""

OnProgress = Callable[[int, int], object]
"""Called with the documents and the tokens so far."""


def tokenize_recipe(recipe: Recipe, folder: Path, on_progress: OnProgress) -> Header:
    """Writes the documents of `recipe.data` and the tokenizer to a new folder, and says what it holds.

    RecipeError: there is no tokenizer. DataError: the folder is there already, or a document cannot be read.
    """
    refuse_existing(folder)
    start = starting_point(recipe)
    tokenizer = recipe_tokenizer(recipe, start)
    if tokenizer is None:
        raise RecipeError("model.tokenizer: missing. There is no tokenizer beside model.init.")
    config, facts = decide(recipe, start, tokenizer)
    encoding = Encoding(tokenizer.encode_document, tokenizer.encode_conversation, config["vocab_size"], facts.mask_token_id)
    done = tokens = 0
    with ShardWriter(folder, vocabulary=tokenizer.vocabulary_sha256, vocab_size=config["vocab_size"]) as writer:
        tokenizer.save(writer.path)
        for document in _encoded(whole_documents(recipe.components.data), tokenizer):
            encoded = encoding(document)
            if len(encoded.ids_N):
                writer.add(encoded)
                done, tokens = done + 1, tokens + len(encoded.ids_N)
                on_progress(done, tokens)
    return open_shards(folder).header


def _encoded(documents: Iterable[Document], tokenizer: Tokenizer) -> Iterator[Document]:
    """The documents, with ids in place of texts."""
    waiting: list[Document] = []
    characters = 0
    for document in documents:
        waiting.append(document)
        characters += len(document.content)
        if characters >= MOST_CHARACTERS or len(waiting) == MOST_DOCUMENTS:
            yield from _at_once(waiting, tokenizer)
            waiting, characters = [], 0
    yield from _at_once(waiting, tokenizer)


def _at_once(documents: list[Document], tokenizer: Tokenizer) -> Iterator[Document]:
    ids = iter(tokenizer.encode_documents([each.content for each in documents if isinstance(each.content, str)]))
    return (each._replace(content=next(ids)) if isinstance(each.content, str) else each for each in documents)
