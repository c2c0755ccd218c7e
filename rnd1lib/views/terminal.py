"""The canvas being filled in, live in a terminal; a line of text a step where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Literal

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from rnd1lib.views.canvases import Canvases, Cell
from rnd1lib.views.pieces import CONTROL, joined
from rnd1lib.views.step import Piece, Step
from rnd1lib.views.trace import Header, Line, Lines, Trace

Color = Literal["confidence", "entropy", "step"]
MASK = "░"
SHADES = ("#e0457b", "#e8710a", "#b8941f", "#2e9e6b", "#2f8fe0")
"""From unsure or early to sure or late: legible on black and on white, and told apart without red or green."""
PLAIN = ("underline", "underline", "", "", "bold")
"""The same where there are no colours."""
LEGENDS = {"confidence": ("unsure", "sure"), "entropy": ("unsure", "sure"), "step": ("early", "late")}
PROBABILITIES = (0.1, 0.3, 0.6, 0.9)
"""Between the shades of confidence: most tokens of a good model lie at the upper end."""
NATS = (4.0, 2.5, 1.2, 0.4)
"""Between those of entropy."""


NOTHING = Line(0, [], [], [], [], [], [], [], {})


class TerminalView:
    """An observer for `generate(..., on_step=view)`, to be entered with `with`; it draws on stderr and changes nothing.

    color: by the committed token's probability, by the entropy at its place, or by its step; what a step has just filled in
    is bold. What the model wrote is text: neither markup nor control characters of it reach the terminal.
    """

    def __init__(self, *, color: Color = "confidence", console: Console | None = None) -> None:
        self.details = color == "entropy"
        self._color = color
        self._console = console or Console(stderr=True)
        self._live: Live | None = None

    def __enter__(self) -> TerminalView:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.end()

    def begin(self, header: Header, piece: Piece) -> None:
        """Called before the first step."""
        self.end()
        self._lines, self._started = Lines(header, piece), time.monotonic()
        self._start(header)
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            # answers go to stdout meanwhile, which is not ours to redirect
            self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
            self._live.start()

    def __call__(self, step: Step) -> None:
        """Draws the canvases after a step."""
        line = self._lines.of(step)
        self._take(line)
        if self._live is None:
            self._print_plain(f"step {line.step + 1}", line)
        else:
            self._live.update(self._screen(line), refresh=True)

    def end(self) -> None:
        """Called after the last step: what comes behind is no longer the view's."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def draw(self, trace: Trace) -> None:
        """Prints the canvases of a trace, step by step, one below the other; as they were given where it has no step."""
        self._start(trace.header)
        if not trace.lines:
            self._print_plain("no step", NOTHING)
        for line in trace.lines:
            self._take(line)
            if self._console.is_terminal:
                self._console.print(Text(f"step {line.step + 1}", "dim"), *self._rows(line), sep="\n", soft_wrap=True)
            else:
                self._print_plain(f"step {line.step + 1}", line)

    def _start(self, header: Header) -> None:
        self._canvases, self._pieces = Canvases(header), dict(header.pieces)

    def _take(self, line: Line) -> None:
        self._canvases.take(line)
        self._pieces |= line.pieces

    def _print_plain(self, when: str, line: Line) -> None:
        for number, row in zip(self._numbers(), self._rows(line), strict=True):
            self._console.print(Text(f"{when}{number}: {row.plain}"), soft_wrap=True)

    def _numbers(self) -> list[str]:
        canvases = self._canvases.header.canvases
        return [f", text {given.number}" if len(canvases) > 1 else "" for given in canvases]

    def _screen(self, line: Line) -> Group:
        """As much as fits: of each row the lines around its first mask, of many rows those that are not full."""
        width = max(self._console.width, 8)
        height = max(self._console.height - 3, 1)
        rows = [row.wrap(self._console, width) for row in self._rows(line)]
        order = sorted(range(len(rows)), key=lambda row: not self._canvases.open(row))[:height]
        share = _shares([len(rows[row]) for row in order], height)
        shown = dict(zip(order, share, strict=True))
        lines = [each for row in sorted(shown) for each in _window(list(rows[row]), shown[row])]
        return Group(*lines, self._status(line, hidden=len(rows) - len(order)), self._legend())

    def _status(self, line: Line, hidden: int) -> Text:
        steps = self._canvases.header.options.get("steps")
        seconds = max(time.monotonic() - self._started, 1e-9)
        of = f" of {steps}" if isinstance(steps, int) else ""
        more = f", {hidden} more texts" if hidden else ""
        filled = self._canvases.filled
        told = f"step {line.step + 1}{of}, {filled} tokens, {filled / seconds:.1f} tokens/s{more}"
        return Text(told, "dim", no_wrap=True, overflow="ellipsis")

    def _legend(self) -> Text:
        low, high = LEGENDS[self._color]
        text = Text(no_wrap=True, overflow="ellipsis").append(f"{low} ", "dim")
        for style in self._styles:
            text.append("■", style)
        return text.append(f" {high}", "dim")

    @property
    def _styles(self) -> Sequence[str]:
        return PLAIN if self._console.no_color or self._console.color_system is None else SHADES

    def _rows(self, line: Line) -> list[Text]:
        return [self._row(row, line.step) for row in range(len(self._canvases.cells))]

    def _row(self, row: int, step: int) -> Text:
        cells, canvases = self._canvases.text(row), self._canvases.header.canvases
        several = len(canvases) > 1 and self._console.is_terminal
        text = Text().append(f"{canvases[row].number} " if several else "", "dim")
        of_numbers = self._canvases.header.tokenizer is None
        pieces = [MASK if self._canvases.masked(cell) else self._pieces[cell.id] for cell in cells]
        for cell, shown in zip(cells, joined(pieces), strict=True):
            space = " " if of_numbers and not self._canvases.masked(cell) else ""
            text.append(shown.translate(CONTROL) + space, self._style(cell, step))
        return text

    def _style(self, cell: Cell, step: int) -> str:
        if self._canvases.masked(cell):
            return "dim"
        if cell.step is None:
            return ""
        shade = self._styles[self._shade(cell, step)]
        return f"bold {shade}".strip() if cell.step == step else shade

    def _shade(self, cell: Cell, step: int) -> int:
        """From 0, unsure or early, to that of the last of SHADES."""
        if self._color == "step":
            return min(len(SHADES) * (cell.step or 0) // max(step, 1), len(SHADES) - 1)
        if self._color == "entropy":
            return sum(cell.entropy is not None and cell.entropy < limit for limit in NATS)
        return sum(cell.probability is not None and cell.probability >= limit for limit in PROBABILITIES)


def _shares(lengths: Sequence[int], height: int) -> list[int]:
    """How many lines each row may have: all it needs, or an equal part of what the shorter ones leave."""
    shares = [0] * len(lengths)
    left = height
    for place, row in enumerate(sorted(range(len(lengths)), key=lambda row: lengths[row])):
        shares[row] = min(lengths[row], left // (len(lengths) - place))
        left -= shares[row]
    return shares


def _window(lines: list[Text], height: int) -> list[Text]:
    """So many of the lines, the first one with a mask among them."""
    first = next((place for place, line in enumerate(lines) if MASK in line.plain), len(lines))
    start = max(min(first - height // 2, len(lines) - height), 0)
    return lines[start : start + height]
