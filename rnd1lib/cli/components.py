"""`rnd1 components`: what can be named in a recipe, and the manual entry of each."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import rnd1lib
from rnd1lib.api import ComponentInfo
from rnd1lib.kinds import KINDS
from rnd1lib.plugins import installed
from rnd1lib.registry import UnknownName, did_you_mean


def components(
    kind: Annotated[str | None, typer.Argument(metavar="[KIND", help=f"One of {', '.join(KINDS)}.")] = None,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]]", help="Show this component's manual entry and options.")
    ] = None,
) -> None:
    """List the components, or show one of them.

    Example: rnd1 components sampler rnd1_entropy
    """
    if kind is not None and kind not in KINDS:
        homes = [f"`rnd1 components {home} {kind}`" for home, names in rnd1lib.components().items() if kind in names]
        meant = f" Did you mean {' or '.join(homes)}?" if homes else did_you_mean(kind, KINDS)
        raise UnknownName(f"no kind is called {kind!r}.{meant} Kinds: {', '.join(KINDS)}.")
    found = rnd1lib.components(kind)
    if kind is not None and name is not None:
        installed().registry.find(kind, name)
        _show(found[kind][name])
    else:
        _list(found)


def _list(found: dict[str, dict[str, ComponentInfo]]) -> None:
    table = Table("kind", "name", "package", box=None, pad_edge=False)
    for kind, components_of_kind in found.items():
        for name, info in components_of_kind.items():
            error = f", broken: {info.error}" if info.error else ""
            table.add_row(kind, escape(name), escape(f"{info.package} {info.version}{error}"))
    console = Console()
    console.print(table)
    for broken in installed().broken:
        console.print(str(broken), markup=False, highlight=False, soft_wrap=True)


def _show(info: ComponentInfo) -> None:
    options = info.options
    print(f"{info.kind} {info.name} ({info.package} {info.version})\n\n{info.manual}\n")
    if not options:
        print("It has no options.")
        return
    table = Table("option", "type", "default", "what for", box=None, pad_edge=False)
    for name, option in options.items():
        table.add_row(escape(name), escape(option.type), escape(option.default), escape(" ".join(option.doc.split())))
    Console().print(table)
