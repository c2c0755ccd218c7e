"""`rnd1` in this process, and what came of it."""

from typer.testing import CliRunner

from rnd1lib.cli.app import command_line
from rnd1lib.errors import Rnd1Error


def rnd1(*arguments, stdin=None):
    return CliRunner().invoke(command_line(), [str(argument) for argument in arguments], input=stdin)


def lines(done):
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout.removesuffix("\n").split("\n") if done.stdout else []


def mistake(done):
    """The sentence of a user's mistake, which the command line prints without a traceback before it leaves with 2."""
    assert isinstance(done.exception, Rnd1Error) and done.exception.exit_code == 2, (done.output, done.exception)
    assert done.stdout == ""
    return str(done.exception)
