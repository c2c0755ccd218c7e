"""The progress of long work: texts that are whole and tokens a second, in a terminal alone."""

import io

from rich.console import Console

from rnd1lib.sampling.generation import generate
from rnd1lib.views.progress import ProgressView


def shown(TableModel, *, terminal):
    stream = io.StringIO()
    model = TableModel(shift=1)
    with ProgressView(3, 63, console=Console(file=stream, force_terminal=terminal, width=80)) as view:
        counts = []
        for prompts in ([[1], [2]], [[3]]):

            def look(step, view=view):
                view(step)
                counts.append(view.whole)

            generate(model, prompts, max_new_tokens=4, sampler="llada", steps=2, on_step=look)
    return stream.getvalue(), counts


def test_rows_are_whole_when_nothing_of_them_is_masked(TableModel):
    text, counts = shown(TableModel, terminal=True)
    assert counts == [0, 2, 2, 3]
    assert "/3" in text and "tokens/s" in text


def test_without_a_terminal_nothing_is_drawn(TableModel):
    assert shown(TableModel, terminal=False) == ("", [0, 2, 2, 3])


def test_what_is_printed_meanwhile_goes_to_stdout_where_that_is_no_terminal(capsys):
    stream = io.StringIO()
    with ProgressView(1, 63, console=Console(file=stream, force_terminal=True)):
        print("an answer")
    assert capsys.readouterr().out == "an answer\n" and "answer" not in stream.getvalue()
