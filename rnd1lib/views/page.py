"""Traces as one HTML file that opens from disk: the canvas at every step, what the model thought of each token, two runs side
by side.

No request leaves the page, and what a model wrote is text: the traces are escaped JSON in a block that nothing executes, the
script shows text as text alone, and the content-security policy lets the page's own script and style run and no other.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from string import Template
from typing import Any

from rnd1lib.views.trace import Line, Trace

SCRIPTS = ("trace", "scale", "text", "detail", "curves", "pane", "player", "controls")
"""Joined in this order they are one module: nothing of it is global."""

ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&"}
LEAST = 1e-12
"""A probability below it is shown as this."""


def page(traces: Sequence[Trace]) -> str:
    """The whole page, in UTF-8 when it is written; about 100 kB for 256 steps that commit 256 tokens.

    Traces that were asked for the same are one run, with the prompts of all.
    """
    style = _resource("page.css")
    script = "\n".join(_resource(f"{name}.js") for name in SCRIPTS)
    return Template(_resource("page.html")).substitute(
        policy=f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; base-uri 'none'; form-action 'none'",
        style=style,
        script=script,
        traces=_escaped(traces),
    )


def _escaped(traces: Sequence[Trace]) -> str:
    """JSON in ASCII in which no tag or comment can be: it means the same, and no HTML parser sees an end in it."""
    packed = [_packed(trace) for trace in traces]
    return json.dumps(packed, separators=(",", ":"), allow_nan=False).translate(ESCAPES)


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
