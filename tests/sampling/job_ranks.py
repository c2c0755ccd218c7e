"""Runs on two ranks: jobs that go well and jobs that do not. Writes what each rank saw to OUT/seen-RANK.json."""

import json
import os
import signal
import sys
from contextlib import closing
from pathlib import Path

from table import TableModel

from rnd1lib.errors import PluginError, Rnd1Error, SamplingError
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
        raise PluginError("row 3 is broken.")
    return generate(model, prompts, numbers=numbers, **arguments)


def interrupted(model, prompts, *, numbers, on_step, **arguments):
    """Ctrl-C at the second step of row 3."""

    def stop(step):
        on_step(step)
        if 3 in numbers and step.number == 1:
            raise KeyboardInterrupt

    return generate(model, prompts, numbers=numbers, on_step=stop, **arguments)


def by_signal(model, prompts, *, numbers, on_step, **arguments):
    """The same, as a terminal does it."""

    def stop(step):
        on_step(step)
        if 3 in numbers and step.number == 1:
            os.kill(os.getpid(), signal.SIGINT)

    return generate(model, prompts, numbers=numbers, on_step=stop, **arguments)


def streamed(model, ranks):
    """What had come out before each of this rank's rows was begun."""
    came, before = [], []

    def fill(model, prompts, *, numbers, **arguments):
        before.append([numbers[0], [*came]])
        return generate(model, prompts, numbers=numbers, **arguments)

    for answer in answers(model, ROWS, fill, batch=1, ranks=ranks, **ARGUMENTS):
        came.append(answer.number)
    return before


def left(model, ranks):
    """Rank 0 has seen enough after three answers; which rows each rank filled in."""
    filled = []

    def fill(model, prompts, *, numbers, **arguments):
        filled.extend(numbers)
        return generate(model, prompts, numbers=numbers, **arguments)

    with closing(answers(model, [*ROWS, [13], [14], [15], [16]], fill, batch=1, ranks=ranks, **ARGUMENTS)) as stream:
        came = [answer.number for answer, _ in zip(stream, range(3), strict=False)]
    return [came, filled]


def interrupted_between(model, ranks):
    """Ctrl-C on rank 0 while an answer is printed, when nothing is filled in."""
    came, ended = [], None
    try:
        for answer in answers(model, ROWS, generate, batch=1, ranks=ranks, **ARGUMENTS):
            came.append(answer.number)
            if answer.number == 1:
                os.kill(os.getpid(), signal.SIGINT)
    except Rnd1Error as error:
        ended = [type(error).__name__, str(error), error.exit_code]
    return [came, ended]


def traced(model, ranks):
    """The rows of the traces that are kept, in the order in which they come."""
    kept = []
    job = answers(model, ROWS, generate, batch=2, ranks=ranks, keep=kept.append, **ARGUMENTS)
    for _ in job:
        pass
    return [[given.number for given in trace.header.canvases] for trace in kept]


def broken_stdin():
    raise SamplingError("stdin: is no UTF-8 text.")


def main():
    model, handler = TableModel(shift=1), signal.getsignal(signal.SIGINT)
    with connected() as ranks:

        def job(rows, fill=generate, **changes):
            return outcome(lambda: answers(model, rows, fill, ranks=ranks, **{"batch": 1} | ARGUMENTS | changes))

        seen = {
            "all": job(ROWS),
            "in batches": job(ROWS, batch=2),
            "fewer than ranks": job(ROWS[:1]),
            "none": job([]),
            "a bad row": job([*ROWS, [63]]),
            "failing": job(ROWS, failing),
            "interrupted": job(ROWS, interrupted),
            "by signal": job(ROWS, by_signal),
            "between": interrupted_between(model, ranks),
            "streamed": streamed(model, ranks),
            "left": left(model, ranks),
            "traced": traced(model, ranks),
            "read": ranks.first(lambda: [f"rank {ranks.number}"]),
            "unreadable": outcome(lambda: ranks.first(broken_stdin)),
            "ctrl-c is as before": signal.getsignal(signal.SIGINT) is handler,
        }
    (Path(sys.argv[1]) / f"seen-{ranks.number}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main()
