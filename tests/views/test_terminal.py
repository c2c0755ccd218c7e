"""The terminal view: what is shown, and that a model's output is shown as text and nothing else."""

import io

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text
from rnd1_plugins.samplers.llada import Llada

from rnd1lib.sampling.generation import generate, infill
from rnd1lib.views import Given, Header, Line, Observers, Recorder, Trace
from rnd1lib.views.terminal import MASK, TerminalView

WORDS = {0: "The", 1: " cat", 2: "[red]", 3: "\x1b[2J", 4: "\n", 5: "⟨E4 B8⟩", 6: "⟨AD⟩", 7: "中", 8: "end", 9: "?"}
FULL = [Given(0, [0, 9, 9])]


def header(canvases=FULL, **changed):
    of_words = ("w", None, "s", {"steps": 5}, 0, 0.0, None, True, 0, 9, [8])
    return Header(1, "m", *of_words, canvases, WORDS)._replace(**changed)


def line(step, *filled, p=0.9, again=()):
    """filled: (row, position, id)."""
    rows, positions, tokens = zip(*filled, strict=True) if filled else ((), (), ())
    alike = len(rows)
    return Line(step, [*rows], [*positions], [*tokens], [p] * alike, [2 * (1 - p)] * alike, [], list(again), {})


def drawn(*lines, terminal=False, view=None, width=60, canvases=FULL, **changed):
    stream = io.StringIO()
    colours = {"color_system": "truecolor" if terminal else None, "force_terminal": terminal}
    console = Console(file=stream, width=width, **colours)
    TerminalView(console=console, **(view or {})).draw(Trace(header(canvases, **changed), list(lines)))
    return stream.getvalue()


def screen(*lines, width=60, height=20, canvases=FULL, no_color=False, **view):
    """The last picture of a live view, a line an entry."""
    stream = io.StringIO()
    console = Console(
        file=stream, width=width, height=height, force_terminal=True, color_system="truecolor", no_color=no_color, _environ={}
    )
    live = TerminalView(console=console, **view)
    with live:
        live.begin(header(canvases), WORDS.__getitem__)
        for each in lines:
            live._take(each)
        with console.capture() as captured:
            console.print(live._screen(lines[-1]))
    return Text.from_ansi(captured.get()).plain.split("\n"), captured.get()


def test_without_a_terminal_each_step_is_a_line_of_text():
    assert drawn(line(0), line(1, (0, 1, 1))) == f"step 1: The{MASK}{MASK}\nstep 2: The cat{MASK}\n"


def test_lines_of_several_canvases_name_them_by_their_own_numbers():
    assert drawn(line(0), canvases=[Given(4, [0]), Given(2, [9])]) == f"step 1, text 4: The\nstep 1, text 2: {MASK}\n"


def test_a_live_view_is_an_observer_and_draws_as_a_trace_does(TableModel):
    for terminal in (False, True):
        stream, recorder = io.StringIO(), Recorder()
        console = Console(file=stream, force_terminal=terminal, width=60, _environ={})
        with TerminalView(console=console) as view:
            infill(TableModel(), [[5, 63, 63]], sampler=Llada(), on_step=view)
        infill(TableModel(), [[5, 63, 63]], sampler=Llada(), on_step=recorder)
        if terminal:
            assert "step 2" in stream.getvalue() and "tokens/s" in stream.getvalue()
        else:
            replay = io.StringIO()
            TerminalView(console=Console(file=replay, width=60)).draw(recorder.traces[0])
            assert stream.getvalue() == replay.getvalue() != ""


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(TableModel):
    stream = io.StringIO()
    with TerminalView(console=Console(file=stream, force_terminal=True, _environ={"TERM": "dumb"}, width=60)) as view:
        infill(TableModel(), [[5, 63, 63]], sampler=Llada(), on_step=view)
    assert [text[:6] for text in stream.getvalue().splitlines()] == ["step 1", "step 2"]


def test_in_a_terminal_the_canvas_is_drawn_with_steps_and_speed():
    lines, _ = screen(line(0, (0, 1, 1)))
    assert lines[0] == f"The cat{MASK}"
    assert lines[1].startswith("step 1 of 5, 1 tokens, ") and lines[1].endswith("tokens/s")
    assert lines[2] == "unsure ■■■■■ sure"


@pytest.mark.parametrize("terminal", [True, False])
def test_what_a_model_writes_is_neither_markup_nor_a_control_sequence(terminal):
    text = drawn(line(0, (0, 1, 2), (0, 2, 3)), terminal=terminal)
    assert "[red]" in text
    assert "\x1b[2J" not in text


@pytest.mark.parametrize("color", ["confidence", "entropy", "step"])
def test_colours_tell_sure_from_unsure_or_early_from_late(color):
    def escape(p, step):
        shown = drawn(line(step, (0, 1, 1), p=p), line(6), terminal=True, view={"color": color})
        return shown.rpartition(" cat")[0].rpartition("\x1b[")[2]

    surer, later = escape(0.95, 1) != escape(0.1, 1), escape(0.95, 1) != escape(0.95, 4)
    assert (surer, later) == ((False, True) if color == "step" else (True, False))


def test_without_colours_sure_and_unsure_are_still_told_apart():
    (_, sure), (_, unsure) = (screen(line(0, (0, 1, 1), p=p), line(1), no_color=True) for p in (0.95, 0.1))
    assert sure != unsure and "\x1b[38" not in sure


def test_what_a_step_has_just_filled_in_is_bold():
    now, later = drawn(line(0, (0, 1, 1)), terminal=True), drawn(line(0, (0, 1, 1)), line(1), terminal=True)
    style = lambda text: text.rpartition(" cat")[0].rpartition("\x1b[")[2]  # noqa: E731
    assert style(now).startswith("1;") and not style(later).startswith("1;")


def test_what_is_taken_back_is_masked_again():
    assert drawn(line(0, (0, 1, 1)), line(1, (0, 2, 1), again=[(0, 1)])).splitlines()[-1] == f"step 2: The{MASK} cat"


def test_a_character_of_two_tokens_is_whole_once_both_are_there():
    canvases = [Given(0, [9, 9])]
    half, whole = drawn(line(0, (0, 0, 5)), line(1, (0, 1, 6)), canvases=canvases).splitlines()
    assert half == f"step 1: ⟨E4 B8⟩{MASK}" and whole == "step 2: 中"


def test_nothing_is_shown_behind_an_end_of_text_that_was_filled_in():
    canvases = [Given(0, [8, 9, 9, 0])]
    assert drawn(line(0, (0, 1, 1)), canvases=canvases) == f"step 1: end cat{MASK}The\n"
    assert drawn(line(0, (0, 1, 8)), canvases=canvases) == "step 1: endend\n"


def test_ids_without_a_tokenizer_are_kept_apart(TableModel):
    recorder, stream = Recorder(), io.StringIO()
    done = infill(TableModel(), [[5, 63, 63]], sampler=Llada(steps=1), on_step=recorder)
    TerminalView(console=Console(file=stream, width=60)).draw(recorder.traces[0])
    assert stream.getvalue().split(": ")[1].split() == [str(token) for token in done.sequences[0]]


@pytest.mark.parametrize("width", [8, 13, 20])
def test_wide_characters_and_narrow_terminals_fit(width):
    lines, _ = screen(line(0, (0, 1, 1)), width=width, canvases=[Given(0, [7] + [9] + [7] * 30)])
    assert all(cell_len(each) <= width for each in lines)
    assert sum(each.count("中") for each in lines) == 31


def test_of_a_long_canvas_the_lines_around_its_first_mask_are_shown():
    lines, _ = screen(line(0), width=20, height=10, canvases=[Given(0, [1] * 100 + [9] + [1] * 100)])
    assert len(lines) <= 10 and MASK in "".join(lines)


def test_of_more_rows_than_the_screen_those_that_are_open_are_shown():
    canvases = [Given(number, [0] if number < 30 else [0, 9]) for number in range(40)]
    lines, _ = screen(line(0), height=12, canvases=canvases)
    assert len(lines) <= 12 and sum(MASK in each for each in lines) == 9
    assert any("31 more texts" in each for each in lines)


def test_short_rows_leave_their_lines_to_long_ones():
    canvases = [Given(0, [0]), Given(1, [1] * 60), Given(2, [0])]
    lines, _ = screen(line(0), width=20, height=13, canvases=canvases)
    assert sum("cat" in each for each in lines) == 8


def test_a_live_view_leaves_stdout_alone(TableModel, capsys):
    console = Console(file=io.StringIO(), force_terminal=True, width=60, _environ={})
    with TerminalView(console=console) as view:
        for _ in range(2):
            say = lambda step: print("during")  # noqa: E731
            generate(TableModel(), [[5]], sampler=Llada(), max_new_tokens=1, on_step=Observers(view, say))
            print("between")
    assert capsys.readouterr().out == "during\nbetween\n" * 2
