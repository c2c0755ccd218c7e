"""Traces as one HTML file that opens from disk: the canvas at every step, what the model thought of each token, two runs side
by side.

No request leaves the page, and what a model wrote is text: the traces are escaped JSON in a block that nothing executes, the
script shows text as text alone, and the content-security policy lets the page's own script and style run and no other.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from string import Template
from typing import Any

from rnd1lib.views.trace import Trace

SCRIPTS = ("trace", "scale", "text", "detail", "curves", "pane", "player", "controls")
"""Joined in this order they are one module: nothing of it is global."""

DIGITS = 4
ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def page(traces: Sequence[Trace]) -> str:
    """The whole page, in UTF-8 when it is written; about 100 kB for 256 steps and 256 tokens. Traces of the same facts are one run."""
    style = _resource("page.css")
    script = "\n".join(_resource(f"{name}.js") for name in SCRIPTS)
    return Template(_resource("page.html")).substitute(
        policy=f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; base-uri 'none'; form-action 'none'",
        style=style,
        script=script,
        traces=_escaped(traces),
    )


def _escaped(traces: Sequence[Trace]) -> str:
    """JSON in which no tag, comment or line separator can be: it means the same, and no HTML parser sees an end in it."""
    return json.dumps([_plain(trace) for trace in traces], ensure_ascii=False, separators=(",", ":"), allow_nan=False).translate(ESCAPES)


def _plain(value: Any) -> Any:
    """Named tuples as mappings; numbers with four digits, null for one that is not finite."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _resource(name: str) -> str:
    return files(__package__).joinpath("resources", name).read_text(encoding="utf-8")
