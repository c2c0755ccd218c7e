"""Progress on long work: how many texts are whole and how fast tokens come, one line on stderr."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rnd1lib.views.step import Step


class ProgressView:
    """An observer for `generate(..., on_step=view)` over any number of calls, to be entered with `with`.

    texts: of all calls together. The line is gone when the work is done; without a terminal nothing is drawn.
    """

    def __init__(self, texts: int, mask_token_id: int, *, console: Console | None = None) -> None:
        self._mask_token_id = mask_token_id
        self._done, self._rows, self._open, self._tokens = 0, 0, 0, 0
        console = console or Console(stderr=True)
        self._progress = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("texts, {task.fields[rate]:.1f} tokens/s,"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
            redirect_stdout=sys.stdout.isatty(),  # answers that go to a file or a pipe are not the terminal's
        )
        self._task = self._progress.add_task("", total=texts, rate=0.0)

    def __enter__(self) -> ProgressView:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._progress.stop()

    def __call__(self, step: Step) -> None:
        """Counts what a step committed; the first step of a call says that the rows of the one before are whole."""
        if step.number == 0:
            self._done += self._rows
        self._rows = len(step.ids_BL)
        self._open = int((step.ids_BL == self._mask_token_id).any(1).sum())
        self._tokens += int(step.committed_BL.sum())
        seconds = self._progress.tasks[0].elapsed or 1e-9
        self._progress.update(self._task, completed=self.whole, rate=self._tokens / seconds)

    @property
    def whole(self) -> int:
        """How many texts are whole so far."""
        return self._done + self._rows - self._open
