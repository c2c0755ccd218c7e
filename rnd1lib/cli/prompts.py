"""The texts of `sample` and `infill`: from arguments, stdin, a file of lines or a .jsonl."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from rnd1lib.errors import SamplingError
from rnd1lib.kinds import Conversation
from rnd1lib.registry import did_you_mean

LARGEST_BYTES = 1 << 30
LINE = 'a text, a list of ids, {"prompt": text or ids} or {"messages": [{"role": ..., "content": ...}]}'

Prompt = str | list[int] | Conversation


def read_prompts(arguments: Sequence[str], file: Path | None, *, ids: bool) -> list[Prompt]:
    """Prompts in order: the arguments (`-` is all of stdin), then those of the file; else what is piped in, else an empty one.

    ids: each is a list of token ids, written `5 9 13`. SamplingError: something that is no prompt, and where it stands.
    """
    if not arguments and file is None:
        arguments = [""] if sys.stdin is None or sys.stdin.isatty() else ["-"]
    prompts: list[Prompt] = [_stdin() if text == "-" else text for text in arguments]
    prompts += [] if file is None else _lines(file)
    return [_as_ids(prompt) if isinstance(prompt, str) else prompt for prompt in prompts] if ids else prompts


def conversations(prompts: Sequence[Prompt], *, chat: bool, system: str | None) -> list[Prompt]:
    """Prompts of `sample`: with `chat` each text is what a user says to the model, and `system` a message before it.

    A conversation that begins with a system's message keeps that one. SamplingError: texts and conversations in one call.
    """
    talks = sum(isinstance(prompt, Conversation) for prompt in prompts)
    if not chat and talks not in (0, len(prompts)):
        raise SamplingError("Some prompts are texts and some are conversations; with --chat the texts are a user's messages.")
    if not chat and not talks:
        if system is not None:
            raise SamplingError("--system: a system's message belongs to a conversation: add --chat.")
        return list(prompts)
    told = [] if system is None else [{"role": "system", "content": system}]
    return [_conversation(prompt, told) for prompt in prompts]


def _conversation(prompt: Prompt, told: list[dict[str, str]]) -> Conversation:
    if isinstance(prompt, list):
        raise SamplingError("--chat: the model's chat template writes texts; token ids go without --chat.")
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt.messages)
    return Conversation(tuple(messages if messages[0]["role"] == "system" else [*told, *messages]))


def canvases(arguments: Sequence[str], file: Path | None, *, ids: bool) -> list[Prompt]:
    """Prompts of `infill`, among which there is no conversation."""
    prompts = read_prompts(arguments, file, ids=ids)
    if any(isinstance(prompt, Conversation) for prompt in prompts):
        raise SamplingError("A conversation has no gaps to fill: `rnd1 sample` answers it.")
    return prompts


def _stdin() -> str:
    return _text(sys.stdin.buffer, "stdin").removesuffix("\n")


def _lines(file: Path) -> list[Prompt]:
    """One prompt a line; in a .jsonl what `LINE` says. Empty lines are skipped."""
    try:
        with file.open("rb") as stream:
            lines = _text(stream, str(file)).split("\n")
    except OSError as error:
        raise SamplingError(f"{file}: cannot be read: {error.strerror}.") from error
    numbered = [(number, line.removesuffix("\r")) for number, line in enumerate(lines, 1) if line.strip()]
    if file.suffix != ".jsonl":
        return [line for _, line in numbered]
    return [_from_json(line, f"{file}:{number}") for number, line in numbered]


def _text(stream: BinaryIO, where: str) -> str:
    content = stream.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise SamplingError(f"{where}: more than {LARGEST_BYTES >> 30} GiB of prompts.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SamplingError(f"{where}: is no UTF-8 text (byte {error.start}: {error.reason}).") from None


def _as_ids(prompt: str) -> list[int]:
    try:
        return [int(token) for token in prompt.split()]
    except ValueError:
        raise SamplingError(f"--ids: {prompt[:40]!r} is not a list of token ids such as '5 9 13'.") from None


def _from_json(line: str, where: str) -> Prompt:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SamplingError(f"{where}: not JSON: {error}. A line is {LINE}.") from None
    key = "prompt"
    if isinstance(value, dict):
        _check_keys(value, where)
        ((key, value),) = value.items()
    if key == "messages":
        return Conversation(_messages(value, where))
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(type(token) is int for token in value):
        return value
    raise SamplingError(f"{where}: is {json.dumps(value)[:40]}. A line is {LINE}.")


def _check_keys(value: dict[str, Any], where: str) -> None:
    for key in value:
        if key not in ("prompt", "messages"):
            near = did_you_mean(key, ("prompt", "messages"))
            raise SamplingError(f"{where}: {key!r}: no such key.{near} A line is {LINE}.")
    if len(value) != 1:
        raise SamplingError(f"{where}: holds {' and '.join(value) or 'nothing'}. A line is {LINE}.")


def _messages(value: Any, where: str) -> tuple[dict[str, Any], ...]:
    def is_message(message: Any) -> bool:
        return isinstance(message, dict) and all(isinstance(message.get(key), str) for key in ("role", "content"))

    if not isinstance(value, list) or not value or not all(map(is_message, value)):
        raise SamplingError(f"{where}: 'messages' is no list of objects with the texts 'role' and 'content', at least one.")
    return tuple(value)
