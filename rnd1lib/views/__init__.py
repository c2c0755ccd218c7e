"""What a person looks at. A view is an observer of the sampling loop, or is drawn from a trace; it changes nothing."""

from rnd1lib.views.step import Details, Observer, Observers, Piece, Step
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
