"""What the ranks of one command have done, brought together on rank 0 while they work."""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from rnd1lib.errors import OtherRankFailed, Rnd1Error
from rnd1lib.sampling.ranks import Ranks
from rnd1lib.views import Trace


class Answer(NamedTuple):
    """One row that was filled in, with what its batch cost, as far as it is known after an interruption.

    finished: the model ended the text itself; of a canvas: no gap is left.
    """

    number: int
    ids: list[int]
    text: str
    forward_calls: int
    token_forwards: int | None
    finished: bool


class Share(NamedTuple):
    """What came of a batch. traces: of its calls, where somebody wants them."""

    answers: list[Answer]
    traces: list[Trace]


class Turn(NamedTuple):
    """What a rank has to tell after a round. share: None if it has no more. problem: a mistake's sentence and exit code."""

    share: Share | None
    problem: tuple[str, int] | None = None
    interrupted: bool = False
    left: bool = False


class Interruptions:
    """Ctrl-C, which ends what a rank is filling in; while it talks to the others it is kept for the next turn."""

    def __init__(self) -> None:
        self.waiting = self.at_work = False

    def __call__(self, *_: object) -> None:
        """The signal's handler."""
        self.waiting = True
        if self.at_work:
            raise KeyboardInterrupt

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Within it they come here."""
        before = signal.signal(signal.SIGINT, self)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def together(shares: Iterator[Share], ranks: Ranks) -> Generator[Share]:
    """Every rank's shares on rank 0, a round at a time, each round's in the order of the rows; then what ended the work.

    A round is a batch of every rank. Rows are dealt out in turn, so one round's rows come behind those of the round before.
    What ends the work on one rank ends it on all after that round. Who leaves this generator early, as a reader who has seen
    enough, tells the others so with the next round.
    """
    ranks.gather(None)  # all have their model now, so that Ctrl-C finds all of them at work
    interruptions, own = Interruptions(), _Own(shares)
    with interruptions.installed():
        while True:
            turns = ranks.gather(own.turn(interruptions))
            done = [turn.share for turn in turns if turn.share is not None]
            over = not done or any(turn.problem or turn.interrupted or turn.left for turn in turns)
            if ranks.number == 0:
                try:
                    yield _in_order(done)
                except GeneratorExit:
                    if not over:
                        ranks.gather(Turn(None, left=True))
                    raise
            if over:
                break
    _end(turns, own.mistake, ranks)


class _Own:
    """What this rank does."""

    def __init__(self, shares: Iterator[Share]) -> None:
        self._shares = shares
        self.mistake: Rnd1Error | None = None

    def turn(self, interruptions: Interruptions) -> Turn:
        """Its next share, or why there is none."""
        if interruptions.waiting:
            return Turn(None, interrupted=True)
        try:
            interruptions.at_work = True
            return Turn(next(self._shares, None))
        except Rnd1Error as error:
            self.mistake = error
            return Turn(None, problem=(str(error), error.exit_code))
        except KeyboardInterrupt:
            return Turn(None, interrupted=True)
        finally:
            interruptions.at_work = False


def _in_order(shares: list[Share]) -> Share:
    traces = sorted((trace for share in shares for trace in share.traces), key=lambda trace: trace.header.canvases[0])
    return Share(sorted(answer for share in shares for answer in share.answers), traces)


def _end(turns: list[Turn], mistake: Rnd1Error | None, ranks: Ranks) -> None:
    """Raises what ended the work on any rank: on rank 0 as it is, on the others as what rank 0 says."""
    problem = next((turn.problem for turn in turns if turn.problem), None)
    interrupted = any(turn.interrupted for turn in turns)
    if ranks.number and (problem or interrupted):
        raise OtherRankFailed(*(problem or ("", 130)))
    if problem:
        raise mistake or _of_other_rank(*problem)
    if interrupted:
        raise KeyboardInterrupt


def _of_other_rank(sentence: str, exit_code: int) -> Rnd1Error:
    """Another rank's mistake, for rank 0 to say."""
    error = Rnd1Error(sentence)
    error.exit_code = exit_code
    return error
