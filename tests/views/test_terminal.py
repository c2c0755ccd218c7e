"""The terminal view: what is shown, and that a model's output is shown as text and nothing else."""

import io

import pytest
import torch
from rich.console import Console

from rnd1lib.views import Step
from rnd1lib.views.terminal import MASK, TerminalView

WORDS = {0: "The", 1: " cat", 2: "[red]", 3: "\x1b[2J", 4: "\n", 9: "never"}


def decode(ids):
    return "".join(WORDS[token] for token in ids)


def step(number, ids, committed, log_prob=-0.1):
    ids_BL = torch.tensor([ids])
    committed_BL = torch.tensor([[place in committed for place in range(len(ids))]])
    log_prob_BL = torch.where(committed_BL, log_prob, 0.0)
    again_BL = torch.zeros_like(committed_BL)
    return Step(number, ids_BL, torch.tensor([len(ids) - 1]), committed_BL, log_prob_BL, again_BL, torch.tensor([0]))


def shown(all_steps, *, terminal, **options):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=60, color_system="truecolor" if terminal else None)
    with TerminalView(decode, 9, console=console, **options) as view:
        for each in all_steps:
            view(each)
    return stream.getvalue()


def test_without_a_terminal_each_step_is_a_line_of_text():
    text = shown([step(0, [0, 9, 9, 4], [0]), step(1, [0, 1, 9, 4], [1])], terminal=False)
    assert text == f"step 1: The{MASK}{MASK}\nstep 2: The cat{MASK}\n"


def test_in_a_terminal_the_canvas_is_drawn_with_steps_and_speed():
    text = shown([step(0, [0, 1, 9, 4], [1])], terminal=True, steps=5)
    assert " cat" in text and MASK in text and "step 1 of 5, 1 tokens" in text and "tokens/s" in text


@pytest.mark.parametrize("terminal", [True, False])
def test_what_a_model_writes_is_neither_markup_nor_a_control_sequence(terminal):
    text = shown([step(0, [2, 3, 0, 4], [0, 1])], terminal=terminal)
    assert "[red]" in text
    assert "\x1b[2J" not in text


@pytest.mark.parametrize("color", ["confidence", "step"])
def test_colours_tell_sure_from_unsure_or_early_from_late(color):
    def escape(log_prob, number):
        steps = [step(0, [9, 9, 9, 4], []), step(number, [9, 1, 9, 4], [1], log_prob), step(4, [0, 1, 9, 4], [0])]
        return shown(steps, terminal=True, color=color).rpartition(" cat")[0].rpartition("\x1b[")[2]

    surer, later = escape(-0.01, 1) != escape(-3.0, 1), escape(-0.01, 1) != escape(-0.01, 3)
    assert (surer, later) == ((True, False) if color == "confidence" else (False, True))


def test_a_new_batch_begins_without_the_colours_of_the_last():
    again = shown([step(0, [0, 1, 9, 4], [1]), step(0, [0, 1, 9, 4], [])], terminal=True)
    fresh = shown([step(0, [0, 1, 9, 4], [])], terminal=True)
    assert again.rpartition("The")[2].partition(MASK)[0] == fresh.rpartition("The")[2].partition(MASK)[0]
