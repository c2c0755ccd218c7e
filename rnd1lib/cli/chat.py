"""`rnd1 sample MODEL --chat` in a terminal: a conversation, a line at a time."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer

import rnd1lib
from rnd1lib.cli.printing import notes
from rnd1lib.cli.recording import recording
from rnd1lib.cli.request import Request, model_arguments, observers, sampling_arguments
from rnd1lib.errors import DataError, SamplingError
from rnd1lib.kinds import Conversation

Messages = list[dict[str, str]]


def converse(request: Request, system: str | None, *, max_new_tokens: int) -> None:
    """Answers each line until stdin ends (Ctrl-D). What no longer fits into the model's context is forgotten, oldest first."""
    arguments = sampling_arguments(request) | {"max_new_tokens": max_new_tokens}
    job = import_module("rnd1lib.sampling.job")
    model = job.open_model(request.model, chat=True, **model_arguments(request))
    typer.echo(f"{model.name}: {model.reading}", err=True)
    messages: Messages = [] if system is None else [{"role": "system", "content": system}]
    typer.echo("Ctrl-D ends the conversation.", err=True)
    with recording(request.trace, request.html) as recorded:
        while (said := _line()) is not None:
            messages = [*messages, {"role": "user", "content": said}]
            try:
                with notes():
                    messages = _within(model, messages, max_new_tokens)
                    watches = observers(request, texts=1) + recorded.watches
                    to_do = {"batch": 1, "watches": watches, "keep": recorded.keep}
                    (given,) = job.answers(model, [Conversation(tuple(messages))], rnd1lib.generate, **to_do, **arguments)
            except (DataError, SamplingError) as error:
                typer.echo(error, err=True)
                messages.pop()
            else:
                typer.echo(given.text)
                answer = model.tokenizer.without_special_names(given.text).strip()
                messages.append({"role": "assistant", "content": answer})


def _line() -> str | None:
    """What is typed next; None at the end of stdin. Empty lines are asked again."""
    while True:
        try:
            typer.echo("> ", nl=False, err=True)
            if line := input().strip():
                return line
        except EOFError:
            return None


def _within(model: Any, messages: Messages, max_new_tokens: int) -> Messages:
    """The messages without the oldest question and its answer, as often as is needed to leave room for the new tokens."""
    first = int(messages[0]["role"] == "system")
    while len(model.tokenizer.encode_messages(messages)) + max_new_tokens > model.context_length and len(messages) > first + 2:
        typer.echo("The oldest question and its answer are forgotten: the model's context is full.", err=True)
        messages = messages[:first] + messages[first + 2 :]
    return messages
