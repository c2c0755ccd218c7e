"""The tokenizer of a GGUF file, made by transformers and then set right where the file says whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tokenizers
from tokenizers import normalizers, pre_tokenizers, processors

from rnd1lib.errors import ModelError
from rnd1lib.models.gguf.header import Header
from rnd1lib.models.tokens.tokenizer import Tokenizer

UNUSED = 5  # the type of a token that stands for a spare row of the table
DIGITS_APART = ("smollm", "starcoder", "refact", "codeshell", "command-r", "exaone", "minerva-7b")
WHOLE_WORDS = ("llama-bpe", "llama3", "llama-v3")
COMPOSED = ("qwen2",)
NAMES = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}
PARTS = {"tokens": "tokens", "merges": "merges", "scores": "scores", "token_type": "token_type", "model": "tokenizer_type"}


def tokenizer_of(header: Header) -> Tokenizer | None:
    """The file's tokenizer, None where it has none. Raises ModelError: one that is damaged or of an unknown kind."""
    said = {key.removeprefix("tokenizer.ggml."): value for key, value in header.values.items()}
    if "tokens" not in said:
        return None
    _check(header, said)
    count = _used(said)
    given = {ours: said[key] for key, ours in PARTS.items() if key in said}
    given |= {key: given[key][:count] for key in ("tokens", "scores", "token_type") if key in given}
    given["pre_tokenizer_type"] = said.get("pre")
    tokens = _converted(header, given)
    _set_right(tokens, said.get("pre"))
    ids = {role: said.get(f"{theirs}_token_id") for role, theirs in NAMES.items()}
    names = {f"{role}_token": str(tokens.id_to_token(token)) for role, token in ids.items() if token is not None}
    added = _added(said)
    tokens.post_processor = _around(names, ids, added)
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **names, **added, "clean_up_tokenization_spaces": False}
    if isinstance(template := header.values.get("tokenizer.chat_template"), str):
        config["chat_template"] = template
    return Tokenizer(tokens=tokens, config=config, **{f"{role}_token_id": ids[role] for role in ("bos", "eos", "pad")})


def _check(header: Header, said: Mapping[str, Any]) -> None:
    tokens, kinds = said["tokens"], said.get("token_type", [])
    wrong = [key for key, value in (("tokens", tokens), ("token_type", kinds)) if not isinstance(value, list)]
    if not wrong and (not tokens or not all(isinstance(token, str) for token in tokens)):
        wrong = ["tokens"]
    if not wrong:
        roles = (f"{theirs}_token_id" for theirs in NAMES.values())
        wrong = [key for key in roles if key in said and said[key] not in range(len(tokens))]
    if wrong:
        raise ModelError(f"{header.path}: tokenizer.ggml.{wrong[0]}: does not fit a vocabulary.")


def _used(said: Mapping[str, Any]) -> int:
    """How many tokens there are before the spare rows at the end, which the file has names for and no text does."""
    kinds, count = said.get("token_type", []), len(said["tokens"])
    special = {said.get(f"{theirs}_token_id") for theirs in NAMES.values()}
    while len(kinds) >= count > 1 and kinds[count - 1] == UNUSED and count - 1 not in special:
        count -= 1
    return count


def _added(said: Mapping[str, Any]) -> dict[str, bool]:
    """Whether a text starts and ends with special tokens for transformers; as llama.cpp has it where nothing is said."""
    starts = said.get("model") == "llama" or said.get("pre") in WHOLE_WORDS
    return {"add_bos_token": bool(said.get("add_bos_token", starts)), "add_eos_token": bool(said.get("add_eos_token", False))}


def _around(names: Mapping[str, str], ids: Mapping[str, int | None], added: Mapping[str, bool]) -> Any:
    """What transformers' tokenizers put before and behind a text; rnd1lib's puts nothing there."""
    used = [role for role in ("bos", "eos") if added[f"add_{role}_token"] and ids[role] is not None]
    first, last = (names[f"{role}_token"] if role in used else "" for role in ("bos", "eos"))
    special = [(names[f"{role}_token"], ids[role]) for role in used]
    return processors.TemplateProcessing(single=f"{first} $A {last}".split(), pair=None, special_tokens=special)


def _converted(header: Header, given: dict[str, Any]) -> tokenizers.Tokenizer:
    from transformers.integrations.gguf.gguf_tokenizer_mapping import convert_gguf_tokenizer  # slow to import

    try:
        return convert_gguf_tokenizer(header.architecture, given)[0]
    except Exception as error:  # whatever a damaged vocabulary makes it raise
        raise ModelError(f"{header.path}: holds no tokenizer that can be made: {type(error).__name__}: {error}.") from error


def _set_right(tokens: tokenizers.Tokenizer, pre: str | None) -> None:
    """What transformers leaves out of the tokenizers that these models were trained with."""
    if pre in DIGITS_APART:
        tokens.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
    if pre in COMPOSED:
        tokens.normalizer = normalizers.NFC()
    if pre in WHOLE_WORDS:
        tokens.model.ignore_merges = True
