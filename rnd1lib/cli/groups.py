"""The commands of `rnd1 --help`, under what one wants to do: a newcomer reads them from top to bottom."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

GROUPS = {
    "First": ("doctor", "demo"),
    "Text": ("sample", "infill", "trace"),
    "Training": ("train", "recipe", "data", "tokenize"),
    "Models": ("import", "export"),
    "Plug-ins": ("components",),
}
"""Commands of plug-ins come with the last."""


LONGEST = 200
"""Of a command's sentence; in a narrow terminal it goes on in the next line."""


class Grouped(TyperGroup):
    """A group of commands whose help lists them under headings."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Writes each heading with its commands."""
        named = {name for names in GROUPS.values() for name in names}
        others = [name for name in self.commands if name not in named]
        for heading, names in GROUPS.items():
            shown = [name for name in names if name in self.commands] + (others if heading == "Plug-ins" else [])
            with formatter.section(heading):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(LONGEST)) for name in shown])
