"""Writes the pages of docs/reference that the code can write itself: `python docs/generate.py`."""

from collections.abc import Iterator
from pathlib import Path

import typer.main
from typer import Context

import rnd1lib
from rnd1lib.api import ComponentInfo
from rnd1lib.cli.app import command_line
from rnd1lib.kinds import KINDS
from rnd1lib.testing import promises

REFERENCE = Path(__file__).parent / "reference"
COMPONENTS = """# Components

Every component that ships with rnd1lib, by kind. In a recipe: `kind: name`, or `kind: {use: name, option: value}`.
This page is written by `docs/generate.py` from the docstrings; `rnd1 components KIND NAME` prints the same.
"""
COMMANDS = """# The command line

What `--help` says of each command; written by `docs/generate.py`. Texts go to stdout, all else to stderr.

Exit codes: 0 done; 1 a bug of ours; 2 a mistake in what was asked; 3 the numbers are not finite; 4 a damaged checkpoint;
5 a plug-in; 75 ended by SIGTERM or SIGUSR1, saved; 130 ended by Ctrl-C, saved. Under torchrun, which itself leaves with 1,
`status.json` in the run folder says it.
"""
CONFORMANCE = """# Conformance

What a component promises its kind, as checks that anyone can run on a component of theirs; written by `docs/generate.py`
from the functions of `rnd1lib.testing`. A test file is one line a component: `test_conformance = conformance("noise",
MyNoise())`. How to: [write a plug-in](../how-to/write-a-plugin.md). `tests/testing/mutants/` holds bugs planted in rnd1lib,
each with the promise that notices it.
"""


def pages() -> dict[str, str]:
    """File name in docs/reference -> what belongs there."""
    return {"components.md": components(), "command-line.md": commands(), "conformance.md": conformance()}


def components() -> str:
    """Every first-party component: its manual entry and options."""
    parts = [COMPONENTS]
    for kind, infos in rnd1lib.components().items():
        parts.append(f"## {kind}\n")
        parts += [entry(name, info) for name, info in infos.items() if info.package == "rnd1lib"]
    return "\n".join(parts)


def entry(name: str, info: ComponentInfo) -> str:
    """One component: its manual entry, then its options as a table."""
    lines = [f"### {name}\n", info.manual, ""]
    if info.options:
        lines += ["| option | type | default | |", "| --- | --- | --- | --- |"]
        lines += [
            f"| `{option}` | {cell(f'`{i.type}`')} | `{i.default}` | {cell(i.doc)} |" for option, i in info.options.items()
        ]
        lines.append("")
    return "\n".join(lines)


def cell(text: str) -> str:
    """Text that does not end a table's cell."""
    return " ".join(text.split()).replace("|", "\\|")


def commands() -> str:
    """What --help says of every command."""
    root = Context(typer.main.get_command(command_line()), info_name="rnd1")
    sections = [f"## {context.command_path}\n\n```text\n{context.get_help()}\n```\n" for context in leaves(root)]
    return "\n".join([COMMANDS, *sections])


def conformance() -> str:
    """Every promise of the conformance kit, by kind."""
    parts = [CONFORMANCE]
    for kind in KINDS:
        lines = [f"- **{sentence}**: {' '.join(each.formula.split())}" for sentence, each in promises(kind).items()]
        parts += [f"## {kind}\n", "\n".join(lines), ""]
    return "\n".join(parts)


def leaves(context: Context) -> Iterator[Context]:
    """A context for every command below this one."""
    for name, command in getattr(context.command, "commands", {}).items():
        below = Context(command, info_name=name, parent=context, terminal_width=100)
        yield from leaves(below) if hasattr(command, "commands") else [below]


if __name__ == "__main__":
    for file, text in pages().items():
        (REFERENCE / file).write_text(text, encoding="utf-8")
