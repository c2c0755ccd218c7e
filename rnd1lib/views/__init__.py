"""What a person looks at. A view is an observer of the sampling loop, or is drawn from a trace; it changes nothing.

observer      what is told how a call begins, of each step, and that it ends
step          such a step
trace         what a call did, step by step, as plain data: every view but `progress` is drawn from it
trace_file    traces as JSON lines
trace_check   whether a file holds a trace
canvases      the canvases of a trace at one of its steps
pieces        the texts of tokens side by side
terminal      the canvas being filled in, live
progress      how many texts are whole and how fast tokens come
notebook      a generation in a notebook
page          traces as one HTML file
resources/    that file's script and style

rows          packed rows, for `rnd1 data show`
demo_page     what `rnd1 demo` writes
"""

from rnd1lib.views.observer import Observer, Observers
from rnd1lib.views.step import Details, Piece, Step
from rnd1lib.views.trace import Given, Header, Line, Recorder, Trace
from rnd1lib.views.trace_file import TraceWriter, read_traces

__all__ = [
    "Details",
    "Given",
    "Header",
    "Line",
    "Observer",
    "Observers",
    "Piece",
    "Recorder",
    "Step",
    "Trace",
    "TraceWriter",
    "read_traces",
]
