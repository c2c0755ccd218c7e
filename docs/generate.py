"""Writes docs/reference/components.md from the components' own manual entries: `python docs/generate.py`."""

from pathlib import Path

import rnd1lib

PAGE = Path(__file__).parent / "reference" / "components.md"
HEAD = """# Components

Every component that ships with rnd1lib, by kind. In a recipe: `kind: name`, or `kind: {use: name, option: value}`.
This page is written by `docs/generate.py` from the docstrings; `rnd1 components KIND NAME` prints the same.
"""


def page() -> str:
    """The whole page as Markdown."""
    parts = [HEAD]
    for kind, infos in rnd1lib.components().items():
        parts.append(f"## {kind}\n")
        parts += [entry(name, info) for name, info in infos.items() if info.package == "rnd1lib"]
    return "\n".join(parts)


def entry(name: str, info: object) -> str:
    """One component: its manual entry, then its options as a table."""
    options = info.options  # type: ignore[attr-defined]
    lines = [f"### {name}\n", info.manual, ""]  # type: ignore[attr-defined]
    if options:
        lines += ["| option | type | default | |", "| --- | --- | --- | --- |"]
        lines += [f"| `{option}` | {cell(f'`{i.type}`')} | `{i.default}` | {cell(i.doc)} |" for option, i in options.items()]
        lines.append("")
    return "\n".join(lines)


def cell(text: str) -> str:
    """Text that does not end a table's cell."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
