"""What `sample` and `infill` share: prompts from arguments, stdin and files, options, and how answers are printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import typer

from rnd1lib.errors import SamplingError

LARGEST_FILE = 1 << 30

Prompt = str | list[int]


def read_prompts(arguments: Sequence[str], file: Path | None, *, ids: bool) -> list[Prompt]:
    """Prompts in order: the arguments (`-` is all of stdin), then those of the file; one empty prompt if there are none.

    ids: each is a list of token ids, written `5 9 13`.
    """
    texts: list[Prompt] = [sys.stdin.read().removesuffix("\n") if text == "-" else text for text in arguments]
    prompts = texts + ([] if file is None else _read_file(file))
    if file is None and not arguments:
        prompts = [""]
    return [_as_ids(prompt) for prompt in prompts] if ids else prompts


def _as_ids(prompt: Prompt) -> list[int]:
    if not isinstance(prompt, str):
        return prompt
    try:
        return [int(token) for token in prompt.split()]
    except ValueError:
        raise SamplingError(f"--ids: {prompt[:40]!r} is not a list of token ids such as '5 9 13'.") from None


def _read_file(file: Path) -> list[Prompt]:
    """One prompt a line; in a .jsonl a text, a list of ids, or an object with `prompt`. Empty lines are skipped."""
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise SamplingError(f"{file}: more than {LARGEST_FILE} bytes of prompts.")
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SamplingError(f"{file}: cannot be read as UTF-8 text: {error}.") from error
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if file.suffix != ".jsonl":
        return [line for _, line in numbered]
    return [_from_json(line, f"{file}:{number}") for number, line in numbered]


def _from_json(line: str, where: str) -> Prompt:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SamplingError(f"{where}: not JSON: {error}.") from None
    value = value.get("prompt") if isinstance(value, dict) else value
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(type(token) is int for token in value):
        return value
    raise SamplingError(f"{where}: neither a text, nor a list of ids, nor an object whose 'prompt' is one.")


def parse_options(pairs: Sequence[str], **named: Any) -> dict[str, Any]:
    """`KEY=VALUE` options of the sampler; values are numbers, true, false and null where they read as such, else text.

    named: options with a flag of their own, where one was given.
    """
    options: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.isidentifier():
            raise SamplingError(f"--option {pair!r}: KEY=VALUE is expected, such as top_p=0.9.")
        if key in options:
            raise SamplingError(f"--option {pair!r}: {key} is given twice.")
        if key in ("max_new_tokens", "guidance", "cache", "seed", "on_step", "numbers", "sampler"):
            raise SamplingError(f"--option {pair!r}: {key} is no option of a sampler; see --help.")
        try:
            options[key] = json.loads(value)
        except ValueError:
            options[key] = value
    return options


def show(answers: Iterable[Any], prompts: Sequence[Prompt], *, as_json: bool) -> None:
    """Prints answers as they come: the text, or one JSON object a line."""
    for answer in answers:
        if as_json:
            prompt = prompts[answer.number]
            typer.echo(json.dumps({"prompt": prompt, **answer._asdict()}, ensure_ascii=False))
        else:
            typer.echo(answer.text)


def terminal_view(model: Any) -> AbstractContextManager[Any]:
    """The live view of `--watch`, on stderr."""
    from rnd1lib.views.terminal import TerminalView

    tokenizer = model.tokenizer
    decode = (lambda ids: " ".join(map(str, ids)) + " ") if tokenizer is None else tokenizer.decode
    return TerminalView(decode, model.mask_token_id)
