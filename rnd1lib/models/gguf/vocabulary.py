"""The tokenizer of a GGUF file, made by transformers and then set right where the file says whose it is."""

from __future__ import annotations

from typing import Any

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

from rnd1lib.errors import ModelError
from rnd1lib.models.gguf.header import Header
from rnd1lib.models.tokenizer import Tokenizer

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
    count = _used(said)
    given = {ours: said[key] for key, ours in PARTS.items() if key in said}
    given |= {key: given[key][:count] for key in ("tokens", "scores", "token_type") if key in given}
    given["pre_tokenizer_type"] = said.get("pre")
    tokens = _converted(header, given)
    _set_right(tokens, said.get("pre"))
    ids = {role: said.get(f"{theirs}_token_id") for role, theirs in NAMES.items()}
    wrong = {role: token for role, token in ids.items() if token is not None and not 0 <= token < count}
    if wrong:
        raise ModelError(f"{header.path}: {wrong} are no tokens of a vocabulary of {count}.")
    names = {f"{role}_token": tokens.id_to_token(token) for role, token in ids.items() if token is not None}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **names, **_options(header), "clean_up_tokenization_spaces": False}
    return Tokenizer(tokens=tokens, config=config, **{f"{role}_token_id": ids[role] for role in ("bos", "eos", "pad")})


def _used(said: dict[str, Any]) -> int:
    """How many tokens there are before the spare rows at the end, which the file has names for and no text does."""
    kinds = said.get("token_type") or []
    count = len(said["tokens"])
    while len(kinds) >= count > 1 and kinds[count - 1] == UNUSED:
        count -= 1
    return count


def _options(header: Header) -> dict[str, Any]:
    """Of tokenizer_config.json: what transformers puts before and behind a text, and the chat template."""
    said = {key: header.values.get(f"tokenizer.ggml.{key}") for key in ("add_bos_token", "add_eos_token")}
    if header.values.get("tokenizer.ggml.model") == "llama" and said["add_bos_token"] is None:
        said["add_bos_token"] = True  # what llama.cpp takes of a SentencePiece vocabulary that does not say
    template = header.values.get("tokenizer.chat_template")
    return {key: value for key, value in {**said, "chat_template": template}.items() if value is not None}


def _converted(header: Header, given: dict[str, Any]) -> tokenizers.Tokenizer:
    from transformers.integrations.gguf import convert_gguf_tokenizer  # slow to import

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
