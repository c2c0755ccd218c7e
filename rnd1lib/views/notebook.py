"""A generation in a notebook: static HTML that needs no script, reads on light and dark pages and shows text as text."""

from __future__ import annotations

from html import escape

from rnd1lib.views.canvases import Canvases, Cell
from rnd1lib.views.pieces import CONTROL, joined
from rnd1lib.views.trace import Header, Trace

MOST_CELLS = 20_000
"""Tokens that are shown; a notebook keeps its outputs, and a page of more is slow."""
LATEST = 0.45
"""How opaque the colour of the last step is; behind the page's own text colour it may not hide the text."""


def fragment(trace: Trace) -> str:
    """The texts after the last step, a block each; a token's background tells its step, its tooltip the rest."""
    canvases = Canvases(trace.header)
    for line in trace.lines:
        canvases.take(line)
    pieces, rows = trace.pieces(), [canvases.text(row) for row in range(len(canvases.cells))]
    blocks, room = [], MOST_CELLS
    for cells in rows:
        blocks.append(_block(cells[:room], canvases, pieces, len(trace.lines)))
        room = max(room - len(cells), 0)
    if sum(map(len, rows)) > MOST_CELLS:
        blocks.append(f"<p>Only the first {MOST_CELLS} tokens are shown.</p>")
    return f'<div class="rnd1-generation">{_caption(trace.header, len(trace.lines))}{"".join(blocks)}</div>'


def _caption(header: Header, steps: int) -> str:
    swatches = "".join(f'<span style="{_colour(step / 4)}">&nbsp;&nbsp;</span>' for step in range(5))
    told = f"{header.sampler}, seed {header.seed}, {steps} step{'s' * (steps != 1)}"
    return f'<div style="font-size:smaller;opacity:.75">{escape(told)}: early {swatches} late</div>'


def _block(cells: list[Cell], canvases: Canvases, pieces: dict[int, str], steps: int) -> str:
    texts = joined(["░" if canvases.masked(cell) else pieces[cell.id] for cell in cells])
    space = " " if canvases.header.tokenizer is None else ""
    spans = [
        _span(cell, text.translate(CONTROL) + space, canvases.masked(cell), steps)
        for cell, text in zip(cells, texts, strict=True)
        if text
    ]
    style = "white-space:pre-wrap;overflow-wrap:anywhere;font-family:monospace;margin:.5em 0"
    return f'<div dir="auto" style="{style}">{"".join(spans)}</div>'


def _span(cell: Cell, text: str, masked: bool, steps: int) -> str:
    if masked:
        return f'<span style="opacity:.5">{text}</span>'
    if cell.step is None:
        return escape(text)
    told = [f"step {cell.step + 1}", f"id {cell.id}"]
    told += [] if cell.probability is None else [f"probability {cell.probability:.3g}"]
    told += [] if cell.entropy is None else [f"entropy {cell.entropy:.3g} nats"]
    seen = escape(text.replace("\n", "↵\n"))  # a colour behind nothing is not seen
    return f'<span title="{", ".join(told)}" style="{_colour(cell.step / max(steps - 1, 1))}">{seen}</span>'


def _colour(share: float) -> str:
    """From faint, at the first step, to strong."""
    return f"background:rgba(30,136,229,{0.06 + (LATEST - 0.06) * share:.2f})"
