"""The canvas being filled in, live in a terminal; a line of text a step where there is no terminal."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from itertools import groupby
from types import TracebackType
from typing import Literal, NamedTuple

from rich.console import Console, Group
from rich.live import Live
from rich.style import Style
from rich.text import Text

from rnd1lib.views.step import Step

Color = Literal["confidence", "step"]
MASK = "░"
SHADES = ("red", "dark_orange", "yellow", "green3", "bright_green")  # from unsure or early to sure or late
CONTROL = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)], "\N{REPLACEMENT CHARACTER}")


class Cell(NamedTuple):
    """One position: its token and when and how surely it was committed (None: given, or still masked)."""

    token: int
    shade: int | None


class TerminalView:
    """An observer for `generate(..., on_step=view)`, to be entered with `with`; it draws on stderr and changes nothing.

    decode: ids to text. color: by the committed token's probability, or by its step. What the model wrote is text: neither
    markup nor control characters of it reach the terminal.
    """

    def __init__(
        self,
        decode: Callable[[Sequence[int]], str],
        mask_token_id: int,
        *,
        color: Color = "confidence",
        steps: int | None = None,
        console: Console | None = None,
    ) -> None:
        self._decode, self._mask_token_id, self._color, self._steps = decode, mask_token_id, color, steps
        self._console = console or Console(stderr=True)
        self._live: Live | None = None
        self._shades: dict[tuple[int, int], float] = {}
        self._started, self._committed = time.monotonic(), 0

    def __enter__(self) -> TerminalView:
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="visible")
            self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, traceback)

    def __call__(self, step: Step) -> None:
        """Draws the canvases after a step."""
        if step.number == 0:
            self._shades, self._committed, self._started = {}, 0, time.monotonic()
        for row, position in step.committed_BL.nonzero().tolist():
            probability = math.exp(float(step.log_prob_BL[row, position]))
            self._shades[row, position] = probability if self._color == "confidence" else float(step.number)
        self._committed += int(step.committed_BL.sum())
        if self._live is None:
            for line in self._plain(step):
                self._console.print(line, soft_wrap=True)
        else:
            self._live.update(Group(*self._rows(step), self._status(step)), refresh=True)

    def _status(self, step: Step) -> Text:
        seconds = max(time.monotonic() - self._started, 1e-9)
        of = "" if self._steps is None else f" of {self._steps}"
        return Text(f"step {step.number + 1}{of}, {self._committed} tokens, {self._committed / seconds:.1f} tokens/s", "dim")

    def _plain(self, step: Step) -> list[Text]:
        return [Text(f"step {step.number + 1}: {row.plain}") for row in self._rows(step)]

    def _rows(self, step: Step) -> list[Text]:
        """A line of runs for each canvas; a run is decoded as a whole, so that a character of two tokens stays whole."""
        top = 1.0 if self._color == "confidence" else float(max(step.number, 1))
        rows = []
        for row, (ids, length) in enumerate(zip(step.ids_BL.tolist(), step.lengths_B.tolist(), strict=True)):
            text = Text()
            cells = [Cell(token, self._shade(row, position, top)) for position, token in enumerate(ids[:length])]
            for (masked, shade), run in groupby(cells, key=lambda cell: (cell.token == self._mask_token_id, cell.shade)):
                tokens = [cell.token for cell in run]
                shown = MASK * len(tokens) if masked else self._decode(tokens).translate(CONTROL)
                text.append(shown, Style.null() if shade is None else Style(color=SHADES[shade]))
            rows.append(text)
        return rows

    def _shade(self, row: int, position: int, top: float) -> int | None:
        value = self._shades.get((row, position))
        return None if value is None else min(int(value / top * len(SHADES)), len(SHADES) - 1)
