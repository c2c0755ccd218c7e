"""`rnd1 trace`: a trace file looked at later."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rnd1lib.cli.printing import to_stdout
from rnd1lib.cli.recording import refuse_same, write
from rnd1lib.views import read_traces
from rnd1lib.views.page import page
from rnd1lib.views.terminal import Color, TerminalView


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
    traces = [each for file in files for each in read_traces(file)]
    if html is not None:
        for file in files:
            refuse_same(html, file, "trace")
        write(html, page(traces))
        typer.echo(f"{html}: {len(traces)} trace{'s' * (len(traces) > 1)}.", err=True)
        return
    view = TerminalView(color=color, console=Stdout())
    with to_stdout():
        for each in traces:
            view.draw(each)
