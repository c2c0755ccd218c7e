"""`rnd1 trace`: a trace file looked at later."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rnd1lib.cli.printing import to_stdout
from rnd1lib.cli.recording import refuse_same, write_page
from rnd1lib.views import Trace, read_traces
from rnd1lib.views.canvases import Canvases
from rnd1lib.views.page import Page
from rnd1lib.views.terminal import Color, TerminalView

SHOWN = 4


class Stdout(Console):
    """A console that leaves a broken pipe to its caller."""

    def on_broken_pipe(self) -> None:
        """Called where rich would end the process."""
        raise


def trace(
    files: Annotated[list[Path], typer.Argument(metavar="FILE ...", help="What `--trace FILE` of sample or infill wrote.")],
    html: Annotated[Path | None, typer.Option(metavar="OUT", help="Write a page that shows them, and print nothing.")] = None,
    color: Annotated[Color, typer.Option(help="What the colours in a terminal tell.")] = "confidence",
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where in the code a mistake was noticed.")] = False,
) -> None:
    """Show how texts were filled in.

    The canvases after each step, or a page with a slider.

    Example: rnd1 trace run.jsonl --html run.html
    """
    if html is not None:
        _write_page(html, files)
        return
    traces = [(file, each) for file in files for each in read_traces(file)]
    view = TerminalView(color=color, console=Stdout())
    for file, each in traces:
        with to_stdout():
            view.draw(each)
        if told := _unfinished(each):
            typer.echo(f"{file}: {told}", err=True)


def _write_page(html: Path, files: list[Path]) -> None:
    made, traces = Page(), 0
    for file in files:
        refuse_same(html, file, "trace")
        for each in read_traces(file):
            made.add(each)
            traces += 1
    write_page(html, made)
    typer.echo(f"{html}: {traces} trace{'s' * (traces > 1)}.", err=True)


def _unfinished(trace: Trace) -> str:
    """What an interruption has left open; nothing where the texts are whole."""
    canvases = Canvases(trace.header)
    for line in trace.lines:
        canvases.take(line)
    left = {given.number: canvases.open(row) for row, given in enumerate(trace.header.canvases)}
    rows = [f"{count} token{'s' * (count > 1)} of text {number}" for number, count in left.items() if count]
    named = ", ".join(rows[:SHOWN]) + f" and more, of {len(rows)} texts" * (len(rows) > SHOWN)
    return f"was interrupted behind step {len(trace.lines)}: {named} are still masked." if rows else ""
