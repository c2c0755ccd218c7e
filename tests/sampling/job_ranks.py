"""Runs on two ranks: jobs that go well and jobs that do not. Writes what each rank saw to OUT/seen-RANK.json."""

import json
import sys
from pathlib import Path

from table import TableModel

from rnd1lib.errors import DataError, Rnd1Error, SamplingError
from rnd1lib.sampling.generation import generate
from rnd1lib.sampling.job import answers
from rnd1lib.sampling.ranks import connected

ROWS = [[5], [6, 7], [8], [9, 10, 11], [12]]
ARGUMENTS = {"max_new_tokens": 6, "temperature": 1.0, "seed": 3}


def outcome(make):
    """What came out, and how it ended."""
    came, ended = [], None
    try:
        for answer in make():
            came.append(answer)
    except Rnd1Error as error:
        ended = [type(error).__name__, str(error), error.exit_code]
    return {"answers": came, "ended": ended}


def failing(model, prompts, *, numbers, **arguments):
    """A mistake that is seen when row 3 is filled in, by whoever has it."""
    if 3 in numbers:
        raise DataError("row 3 is broken.")
    return generate(model, prompts, numbers=numbers, **arguments)


def interrupted(model, prompts, *, numbers, on_step, **arguments):
    """Ctrl-C at the second step of row 3."""

    def stop(step):
        on_step(step)
        if 3 in numbers and step.number == 1:
            raise KeyboardInterrupt

    return generate(model, prompts, numbers=numbers, on_step=stop, **arguments)


def broken_stdin():
    raise SamplingError("stdin: is no UTF-8 text.")


def main():
    model = TableModel(shift=1)
    with connected() as ranks:

        def job(rows, fill=generate, **changes):
            return outcome(lambda: answers(model, rows, fill, batch=1, ranks=ranks, **ARGUMENTS | changes))

        seen = {
            "all": job(ROWS),
            "fewer than ranks": job(ROWS[:1]),
            "none": job([]),
            "a bad row": job([*ROWS, [63]]),
            "failing": job(ROWS, failing),
            "interrupted": job(ROWS, interrupted),
            "read": ranks.first(lambda: [f"rank {ranks.number}"]),
            "unreadable": outcome(lambda: ranks.first(broken_stdin)),
        }
    (Path(sys.argv[1]) / f"seen-{ranks.number}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main()
