"""Text to ids and back, on the `tokenizers` library alone; what it saves transformers.AutoTokenizer opens, and opens again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from rnd1lib.errors import DataError, ModelError
from rnd1lib.models.tokens.chat import PLAIN, ChatTemplate, Message
from rnd1lib.models.tokens.mask_name import KNOWN_IDS, with_name
from rnd1lib.models.tokens.pieces import piece

SPECIAL = {"eos_token": "<|endoftext|>", "pad_token": "<|pad|>", "mask_token": "<|mask|>"}
"""The special tokens of a tokenizer that is trained here, in the order of their ids, which are the last three."""

ROLES = ("bos_token", "eos_token", "pad_token", "mask_token")


@dataclass(frozen=True, kw_only=True)
class Tokenizer:
    """A tokenizer and its special ids; an id that it does not have is None (Qwen has no bos, an AR model no mask)."""

    tokens: tokenizers.Tokenizer
    bos_token_id: int | None = None
    eos_token_id: int | None = None
    pad_token_id: int | None = None
    mask_token_id: int | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    """What tokenizer_config.json says, the chat template included; `save` writes it again."""

    @property
    def vocab_size(self) -> int:
        """One more than the largest id; a model's table may have more rows."""
        return max(self.tokens.get_vocab(with_added_tokens=True).values()) + 1

    def encode(self, text: str) -> list[int]:
        """A prompt's ids: the name of a special token (`<|im_start|>`) is that token. Nothing is put before or behind."""
        return self._encode(text, names_are_text=False)

    def encode_document(self, text: str) -> list[int]:
        """A training text's ids: it may speak of `<|endoftext|>` or `<|mask|>`, and yet holds no such token."""
        return self._encode(text, names_are_text=True)

    def encode_documents(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode_document` of each, on as many cores as there are."""
        self.tokens.encode_special_tokens = True
        return [list(encoded.ids) for encoded in self.tokens.encode_batch_fast(list(texts), add_special_tokens=False)]

    def encode_conversation(self, messages: Sequence[Message]) -> tuple[list[int], list[int]]:
        """The ids of the prompt, all but the last message, and of the answer: apart, as they are when sampling.

        The chat template's special tokens are tokens. DataError: a message names one, or the template refuses the messages.
        """
        self._refuse_special_names(messages)
        prompt, answer = self.chat_template.prompt_and_answer(messages)
        return self.encode(prompt), self.encode(answer)

    def encode_messages(self, messages: Sequence[Message]) -> list[int]:
        """The ids of a conversation whose next answer is due. DataError: as for `encode_conversation`."""
        self._refuse_special_names(messages)
        return self.encode(self.chat_template.text(messages, answer_is_due=True))

    def without_special_names(self, text: str) -> str:
        """A text that a message may hold: without the names of special tokens."""
        return self._special_name.sub("", text) if self._special_name else text

    @cached_property
    def turn_end_id(self) -> int | None:
        """The special token that the chat template puts behind an answer; the end-of-text if it puts none there."""
        question, answer = {"role": "user", "content": "question"}, {"role": "assistant", "content": "answer"}
        try:
            _, written = self.chat_template.prompt_and_answer([question, answer])
        except DataError:
            return self.eos_token_id
        end = self._special_name.search(written.rpartition("answer")[2]) if self._special_name else None
        return self.tokens.token_to_id(end[0]) if end else self.eos_token_id

    def _refuse_special_names(self, messages: Sequence[Message]) -> None:
        named = self._special_name.search(json.dumps(list(messages), ensure_ascii=False)) if self._special_name else None
        if named:
            raise DataError(f"a message holds {named[0]!r}, which is the name of a special token.")

    @cached_property
    def chat_template(self) -> ChatTemplate:
        """The tokenizer's own, or a plain one. ModelError: it is broken."""
        source = self.config.get("chat_template") or PLAIN
        if isinstance(source, list):  # several, by name
            named = {entry.get("name"): entry.get("template") for entry in source if isinstance(entry, Mapping)}
            source = named.get("default")
        if not isinstance(source, str):
            raise ModelError("The tokenizer's chat_template is no text.")
        ids = {role: getattr(self, f"{role}_id") for role in ROLES}
        names = {role: self.tokens.id_to_token(token) for role, token in ids.items() if token is not None}
        return ChatTemplate(source, {role: name for role, name in names.items() if name is not None})

    @cached_property
    def vocabulary_sha256(self) -> str:
        """What ids mean, as a hash: two that agree on every id, save those `with_mask_token` added, have the same."""
        known, added_from = self.tokens.get_vocab(with_added_tokens=True).items(), self.config.get(KNOWN_IDS)
        vocabulary = [item for item in known if not (isinstance(added_from, int) and item[1] >= added_from)]
        return sha256(json.dumps(sorted(vocabulary, key=lambda item: item[1])).encode()).hexdigest()

    @cached_property
    def _special_name(self) -> re.Pattern[str] | None:
        names = [token.content for token in self.tokens.get_added_tokens_decoder().values() if token.special]
        return re.compile("|".join(map(re.escape, names))) if names else None

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens by their names; ids beyond the vocabulary have no text."""
        return str(self.tokens.decode(list(ids), skip_special_tokens=False))

    def piece(self, token_id: int) -> str:
        """One token by itself, as it is shown; see `models.tokens.pieces`."""
        return piece(self.tokens, token_id)

    @property
    def name(self) -> str:
        """What the folder calls it, else its class."""
        return str(self.config.get("name_or_path") or self.config.get("tokenizer_class") or type(self).__name__)

    def with_mask_token(self, mask_token_id: int) -> Tokenizer:
        """This tokenizer with that mask token: under the name that the id has, else as `<|mask|>` at exactly that id.

        Every other id stays what it is. A piece of ordinary text gets no name as a mask. ModelError: see `mask_name`.
        """
        tokens, config = with_name(self.tokens, self.config, mask_token_id)
        return replace(self, tokens=tokens, config=config, mask_token_id=mask_token_id)

    def save(self, folder: str | Path) -> None:
        """Writes tokenizer.json and tokenizer_config.json, with the mask token if there is one. OSError: the disk is full."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tokenizer.json").write_text(self.tokens.to_str(pretty=True), encoding="utf-8")
        text = json.dumps(self.config, indent=2, ensure_ascii=False) + "\n"
        (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")

    def _encode(self, text: str, names_are_text: bool) -> list[int]:
        self.tokens.encode_special_tokens = names_are_text
        return list(self.tokens.encode(text, add_special_tokens=False).ids)


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """A byte-level BPE of these texts, the same for the same texts: any text goes through it unchanged.

    vocab_size: ids in all, the three special tokens included; texts too few for so many merges give fewer.
    """
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    fewest = len(alphabet) + len(SPECIAL)
    if vocab_size < fewest:
        raise ValueError(f"vocab_size: {vocab_size} is too small; a byte-level tokenizer has at least {fewest} tokens.")
    tokens = tokenizers.Tokenizer(models.BPE())
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokens.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size - len(SPECIAL), initial_alphabet=sorted(alphabet), show_progress=False)
    tokens.train_from_iterator(texts, trainer)
    tokens.add_special_tokens(list(SPECIAL.values()))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **SPECIAL, "clean_up_tokenization_spaces": False}
    return Tokenizer(tokens=tokens, config=config, **{f"{role}_id": tokens.token_to_id(name) for role, name in SPECIAL.items()})
