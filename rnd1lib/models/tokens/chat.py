"""A chat template: what a checkpoint says of how its conversations are written as text.

A template is a program in Jinja, and it comes from outside: it runs in a sandbox, and what it writes is bounded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NoReturn

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from rnd1lib.errors import DataError, ModelError

Message = Mapping[str, Any]

PLAIN = (
    "{% for message in messages %}{{ '' if loop.first else '\\n' }}{{ message.role }}: {{ message.content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '\\nassistant:' }}{% endif %}"
)
"""For a tokenizer without a template: `user: 2 + 2?`, a line for each message, and `assistant:` where an answer is due."""

LONGEST_TEMPLATE = 2**20
SPARE = 2**16
"""Characters that a template may write beside 16 times what the messages hold."""


class GenerationBlock(Extension):
    """`{% generation %} ... {% endgeneration %}` marks the answer in some templates; what stands in it is text like any."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node:
        """The statements inside."""
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


class Notes(Namespace):
    """Jinja's `namespace`, without names that begin with an underscore: they lead to what is inside Python."""

    def __init__(self, /, **values: Any) -> None:
        super().__init__()
        for name, value in values.items():
            self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            raise SecurityError(f"{name!r} begins with an underscore")
        super().__setitem__(name, value)


class ChatTemplate:
    """Writes messages as the model reads them. names: special tokens by role, such as `bos_token`, which templates use.

    ModelError: no template, or one that does what no template needs to.
    """

    def __init__(self, source: str, names: Mapping[str, str]) -> None:
        self._names = names
        if len(source) > LONGEST_TEMPLATE:
            raise ModelError("The tokenizer's chat template is longer than 1 MB, so it is none.")
        try:
            self._template = _sandbox().from_string(source)
        except TemplateSyntaxError as error:
            raise ModelError(f"The tokenizer's chat template is broken: line {error.lineno}: {error.message}.") from error

    def prompt_and_answer(self, messages: Sequence[Message]) -> tuple[str, str]:
        """The text of all but the last message, up to where the answer is due, and that of the answer.

        DataError: the template refuses these messages, or writes the prompt otherwise once an answer follows.
        """
        prompt, whole = self.text(messages[:-1], answer_is_due=True), self.text(messages, answer_is_due=False)
        if not whole.startswith(prompt):
            raise DataError("the chat template writes the prompt otherwise when an answer follows, so none can be marked.")
        return prompt, whole[len(prompt) :]

    def text(self, messages: Sequence[Message], *, answer_is_due: bool) -> str:
        """The messages as text. answer_is_due: with what stands before the next answer, at the end.

        DataError: the template refuses these messages.
        """
        room = SPARE + 16 * len(json.dumps(list(messages)))
        written: list[str] = []
        known = {"messages": messages, "add_generation_prompt": answer_is_due, "tools": None, "documents": None, **self._names}
        try:
            for part in self._template.generate(known):
                written.append(part)
                room -= len(part)
                if room < 0:
                    raise SecurityError("it writes far more than the messages hold")
        except SecurityError as error:
            raise ModelError(f"The tokenizer's chat template is refused: {error}.") from error
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
            raise DataError(f"the chat template does not take these messages: {error}.") from error
        return "".join(written)


@lru_cache
def _sandbox() -> ImmutableSandboxedEnvironment:
    sandbox = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[GenerationBlock, loopcontrols])
    for name in ("lipsum", "cycler", "joiner"):
        del sandbox.globals[name]
    # No `strftime_now`: training data must not depend on the day, and templates have a date of their own in its place.
    sandbox.globals |= {"namespace": Notes, "dict": _dictionary, "raise_exception": _refuse}
    sandbox.filters["tojson"] = _to_json
    return sandbox


def _dictionary(**values: Any) -> dict[str, Any]:
    return values


def _refuse(sentence: str) -> NoReturn:
    raise TemplateError(str(sentence))


def _to_json(value: Any, **layout: Any) -> str:
    return json.dumps(value, ensure_ascii=False, **layout)
