"""Traces as one HTML file that opens from disk: the canvas at every step, what the model thought of each token, two runs side
by side.

No request leaves the page, and what a model wrote is text: the traces are escaped JSON in a block that nothing executes, the
script shows text as text alone, and the content-security policy lets the page's own script and style run and no other.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from importlib.resources import files
from string import Template
from typing import Any

from rnd1lib.views.trace import Line, Trace

SCRIPTS = ("trace", "scale", "text", "detail", "curves", "pane", "player", "controls")
"""Joined in this order they are one module: nothing of it is global."""

ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&"}
LARGEST = 32 << 20
"""Bytes of traces on one page, some 300 texts of 256 tokens in as many steps: more takes a browser gigabytes."""
LEAST = 1e-12
"""A probability below it is shown as this."""


class Page:
    """A page in the making. It keeps of each trace the text that it becomes, up to `LARGEST` bytes of them.

    texts: how many are on it. left_out: how many came when it was full; the first trace is always on it.
    """

    def __init__(self) -> None:
        self._packed: list[str] = []
        self._room = LARGEST
        self.texts = self.left_out = 0

    def add(self, trace: Trace) -> None:
        """Takes the next trace, or counts it where there is no room any more."""
        packed = "" if self.left_out else _escaped(trace)
        self._room -= len(packed)
        if self.left_out or (self.texts and self._room < 0):
            self.left_out += len(trace.header.canvases)
        else:
            self._packed.append(packed)
            self.texts += len(trace.header.canvases)

    @property
    def shortened(self) -> str:
        """A sentence on what is left out; nothing where all is there."""
        if not self.left_out:
            return ""
        of = self.texts + self.left_out
        return f"The first {self.texts} of {of} texts are shown: a page holds {LARGEST >> 20} MB. A trace file holds all."

    def __str__(self) -> str:
        """The whole page, in UTF-8 when it is written; about 100 kB for 256 steps that commit 256 tokens.

        Traces that were asked for the same are one run, with the prompts of all.
        """
        style = _resource("page.css")
        script = "\n".join(_resource(f"{name}.js") for name in SCRIPTS)
        scripts, styles = f"script-src {_hash(script)}", f"style-src {_hash(style)}"
        return Template(_resource("page.html")).substitute(
            policy=f"default-src 'none'; {scripts}; {styles}; base-uri 'none'; form-action 'none'",
            style=style,
            script=script,
            shortened=f"<p>{self.shortened}</p>\n" if self.left_out else "",
            traces=f"[{','.join(self._packed)}]",
        )


def page(traces: Iterable[Trace]) -> str:
    """The page of these traces."""
    made = Page()
    for trace in traces:
        made.add(trace)
    return str(made)


def _escaped(trace: Trace) -> str:
    """JSON in ASCII in which no tag or comment can be: it means the same, and no HTML parser sees an end in it."""
    return json.dumps(_packed(trace), separators=(",", ":"), allow_nan=False).translate(ESCAPES)


def _packed(trace: Trace) -> dict[str, Any]:
    """A trace in few bytes: tokens by their place in `tokens`, [[id, text]]; nats and -ln p in thousandths of a nat."""
    header, pieces = trace.header, trace.pieces()
    place = {token: index for index, token in enumerate(dict.fromkeys(_tokens(trace)))}
    facts = {name: value for name, value in header._asdict().items() if name not in ("canvases", "pieces")}
    return {
        "header": facts,
        "tokens": [[token, pieces.get(token, "")] for token in place],
        "canvases": [{"number": canvas.number, "tokens": [place[token] for token in canvas.ids]} for canvas in header.canvases],
        "lines": [_packed_line(line, place) for line in trace.lines],
    }


def _tokens(trace: Trace) -> Iterator[int]:
    for canvas in trace.header.canvases:
        yield from canvas.ids
    for line in trace.lines:
        yield from line.id
        yield from (token for best in line.top for token, _ in best)


def _packed_line(line: Line, place: Mapping[int, int]) -> dict[str, Any]:
    return {
        "step": line.step,
        "row": line.row,
        "position": line.position,
        "token": [place[token] for token in line.id],
        "surprisal": [None if p is None else _surprisal(p) for p in line.probability],
        "entropy": [None if h is None else round(1000 * h) for h in line.entropy],
        "best": [[number for token, p in best for number in (place[token], _surprisal(p))] for best in line.top],
        "again": line.masked_again,
    }


def _surprisal(probability: float) -> int:
    return round(-1000 * math.log(max(probability, LEAST)))


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _resource(name: str) -> str:
    return files(__package__).joinpath("resources", name).read_text(encoding="utf-8")
