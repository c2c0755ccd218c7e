"""The command line `rnd1`: its commands, and what an exception becomes - a sentence on stderr and an exit code."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from rnd1lib.cli.components import components
from rnd1lib.cli.data import data
from rnd1lib.cli.demo import demo
from rnd1lib.cli.doctor import doctor
from rnd1lib.cli.export import export
from rnd1lib.cli.groups import Grouped
from rnd1lib.cli.import_ import import_
from rnd1lib.cli.infill import infill
from rnd1lib.cli.recipe import recipe
from rnd1lib.cli.sample import sample
from rnd1lib.cli.sampling_command import SamplingCommand
from rnd1lib.cli.tokenize import tokenize
from rnd1lib.cli.trace import trace
from rnd1lib.cli.train import train
from rnd1lib.errors import OtherRankFailed, Rnd1Error
from rnd1lib.plugins import add_plugins, installed

PATIENCE = 10.0
"""Seconds that a rank gives rank 0 to say the same; torchrun ends it when rank 0 leaves."""


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"rnd1lib {metadata.version('rnd1lib')}")
        raise typer.Exit


def command_line() -> typer.Typer:
    """The parser with every command, those of plug-ins included."""
    app = typer.Typer(
        name="rnd1",
        cls=Grouped,
        help="Autoregressive language models into masked diffusion language models: convert, train, sample.",
        epilog="Example: rnd1 train tiny/dense train.steps=20",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        rich_markup_mode=None,
    )
    app.callback()(options)
    for command in (train, sample, infill, trace, export, tokenize, components, doctor, demo):
        app.command(cls=SamplingCommand if command in (sample, infill) else None)(command)
    app.command("import")(import_)
    app.add_typer(recipe, name="recipe")
    app.add_typer(data, name="data")
    installed().add_commands(app)
    return app


def options(
    plugin: Annotated[
        list[Path] | None,
        typer.Option("--plugin", metavar="FILE", help="A plug-in file of yours, before the command. It is run."),
    ] = None,
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """What stands before a command."""
    add_plugins(*(plugin or []))


def main() -> None:
    """Run the command line and leave with its exit code."""
    try:
        command_line()()
    except OtherRankFailed as error:
        _leave(error.exit_code)
    except Rnd1Error as error:
        _report(error)
        _leave(error.exit_code)
    except OSError as error:
        if error.filename is None:  # not of a file that somebody named: no mistake of theirs
            raise
        _report(error)
        _leave(Rnd1Error.exit_code)
    except KeyboardInterrupt:
        print("rnd1: interrupted.", file=sys.stderr)
        _leave(130)


def _report(error: Rnd1Error | OSError) -> None:
    if os.environ.get("RANK", "0") != "0":
        # Rank 0 says what every rank sees. Who is still alive afterwards saw it alone, and speaks.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        time.sleep(PATIENCE)
    if "--traceback" in sys.argv:
        traceback.print_exception(error)
    else:
        print(f"{error.filename}: {error.strerror}." if isinstance(error, OSError) else error, file=sys.stderr)


def _leave(code: int) -> None:
    sys.stdout.flush()
    sys.exit(code)
