"""A YAML text as plain data, with the line of every key; never code, never more than a recipe needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml
from omegaconf._yaml import get_yaml_loader

from rnd1lib.recipe.typed import Key

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
PLAIN = ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")


class Source(NamedTuple):
    """What a text says: its tree, the line of each key (from 1), and what is wrong with it as (line, sentence)."""

    tree: Any
    lines: dict[Key, int]
    problems: list[tuple[int | None, str]]


def read_bytes(data: bytes) -> Source:
    """A recipe file's content."""
    if len(data) > MAX_BYTES:
        return Source({}, {}, [(None, f"{len(data)} bytes are too many for a recipe; {MAX_BYTES} at most.")])
    try:
        return read_text(data.decode())
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return Source({}, {}, [(line, f"byte {data[error.start]:#04x} is not UTF-8. Save the recipe as UTF-8.")])


def read_text(text: str) -> Source:
    """A mapping in YAML."""
    source = parse(text)
    if source.problems:
        return Source({}, {}, source.problems)
    if source.tree is None:
        return Source({}, {}, [(None, "the recipe is empty.")])
    if not isinstance(source.tree, dict):
        return Source({}, {}, [(1, "a recipe is a mapping of keys to values, not a list or a single value.")])
    return source


def parse(text: str) -> Source:
    """Any value in YAML, as it may stand behind `key=` on the command line."""
    loader = get_yaml_loader()
    lines: dict[Key, int] = {}
    depth = 0
    try:
        for event in yaml.parse(text, Loader=loader):  # not recursive, so that no depth of nesting ends the interpreter
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                line = event.start_mark.line + 1 if event.start_mark else None
                return Source(None, {}, [(line, f"nested more than {MAX_DEPTH} levels deep.")])
        value, node = yaml.load(text, Loader=loader), yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return Source(None, {}, [(mark.line + 1 if mark else None, f"not YAML: {error.problem or error.context}.")])
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        return Source(None, {}, [(None, f"not YAML: {str(error).splitlines()[0]}.")])
    problems = [] if node is None else list(_walk(node, (), lines))
    return Source(value, lines, problems)


def _walk(node: Any, key: Key, lines: dict[Key, int]) -> Iterator[tuple[int | None, str]]:
    kind = node.tag.rpartition(":")[2]
    if kind not in PLAIN:
        yield node.start_mark.line + 1, f"a value of type {kind} has no place in a recipe."
    elif isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            line = name.start_mark.line + 1
            if name.tag == "tag:yaml.org,2002:merge":
                continue
            if name.tag != "tag:yaml.org,2002:str":
                yield line, f"the key {name.value!r} is read as {name.tag.rpartition(':')[2]}, not as text. Put it in quotes."
                continue
            lines[*key, name.value] = line
            yield from _walk(value, (*key, name.value), lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[*key, index] = value.start_mark.line + 1
            yield from _walk(value, (*key, index), lines)
