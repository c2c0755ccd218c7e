"""`chat`: conversations, of which each answer is learned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rnd1_plugins.data.files import Files
from rnd1_plugins.data.lines import Line, checked_text, json_value, lines
from rnd1lib.errors import DataError
from rnd1lib.kinds import Conversation, Document, Skipped

ANSWERS = "assistant"
"""The role whose messages are learned."""


@dataclass(frozen=True, kw_only=True)
class Chat(Files):
    """Supervised fine-tuning: `{use: chat, path: chats/*.jsonl}`, a line `{"messages": [{"role": ..., "content": ...}]}` each.

    One answer of the assistant is the target, all before it is its prompt: never masked, never scored. So a conversation with
    three answers makes three documents. The model's chat template makes text of them (a tokenizer without one: a line
    `role: content` each). End-of-text tokens behind the answer are masked and scored like its words, so that the model learns
    where to stop (Nie et al. 2025, LLaDA, 2.3). A document that is longer than a row is not split but skipped, as a broken
    line is.
    """

    key: str = "messages"
    """Where in a line's object the messages stand."""

    pad_to: int | str = 64
    """Documents are padded with end-of-text to a multiple of so many tokens; `row`: to the row's end, as LLaDA does."""

    answers: Literal["each", "last"] = "each"
    """Which answers of a conversation are learned."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pad_to != "row" and (type(self.pad_to) is not int or self.pad_to < 1):
            raise ValueError(f"pad_to: {self.pad_to!r} is neither a number of tokens from 1 nor 'row'.")

    def documents(self, stream: int, streams: int, cursor: Any = None) -> Iterator[Document | Skipped]:
        """Line n of file f belongs to stream (f + n) mod `streams`; a cursor may lie between the answers of a line.

        Skipped: a line that holds no conversation. DataError: no file matches, or the cursor's file is gone or shorter.
        """
        already = cursor.get("answers", 0) if cursor else 0
        for line in lines(self.path, stream, streams, cursor):
            try:
                documents = self._answers(line)
            except DataError as error:
                yield Skipped(str(error), line.cursor)
            else:
                yield from documents[already:]
            already = 0

    def _answers(self, line: Line) -> list[Document]:
        """A document for each answer, with the cursor behind it: in front of the line until the last of them."""
        messages = _messages(line, self.key)
        # An answer that opens the conversation has no prompt; it is part of the later ones'.
        ends = [number + 1 for number, message in enumerate(messages) if message["role"] == ANSWERS and number]
        if not ends:
            raise DataError(f"{line.where}: no message has the role {ANSWERS!r} and another one before it.")
        chosen = ends if self.answers == "each" else ends[-1:]
        cursors = [{**line.before, "answers": count} for count in range(1, len(chosen))] + [line.cursor]
        pad_to: Any = self.pad_to
        return [
            Document(Conversation(messages[:end]), cursor, pad_to=pad_to) for end, cursor in zip(chosen, cursors, strict=True)
        ]


def _messages(line: Line, key: str) -> tuple[Mapping[str, Any], ...]:
    messages = json_value(line, key)
    if not isinstance(messages, list):
        raise DataError(f"{line.where}: {key!r} holds no list of messages, but {type(messages).__name__}.")
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict):
            raise DataError(f"{line.where}: message {number} is no JSON object, but {type(message).__name__}.")
        for name in ("role", "content"):
            checked_text(message.get(name), f"{name!r} of message {number}", line.where)
    return tuple(messages)
