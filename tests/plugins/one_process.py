"""Runs commands of `rnd1`, a JSON list of arguments a line of stdin, in one process; prints exit code, stdout and stderr."""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout

from rnd1lib.cli.app import main


def answer(arguments):
    sys.argv = ["rnd1", *arguments]
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        try:
            main()
            code = 0
        except SystemExit as left:
            code = left.code or 0
    return code, out.getvalue(), err.getvalue()


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))))
