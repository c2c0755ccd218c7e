"""Long lists of wrong tensors: shorter, and nothing is left out."""

import re
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from rnd1lib.models.origins.listing import LISTED, folded

EXPERT = "model.layers.{}.mlp.experts.{}.up_proj.weight: missing."


def unfolded(line):
    """The lines that it stands for."""
    parts = re.split(r"\{(.*?)\}", line)
    spans = [[span.split("-") for span in part.split(", ")] for part in parts[1::2]]
    numbers = [[str(n) for span in each for n in range(int(span[0]), int(span[-1]) + 1)] for each in spans]
    texts = parts[0::2]
    return ["".join(text + number for text, number in zip(texts, [*chosen, ""], strict=True)) for chosen in product(*numbers)]


def test_a_layers_list_is_given_name_by_name():
    lines = [EXPERT.format(3, expert) for expert in range(LISTED)]
    assert folded(lines, "missing") == lines


def test_all_experts_of_all_layers_are_one_line():
    lines = [EXPERT.format(layer, expert) for layer in range(48) for expert in range(128)]
    norms = [f"model.layers.{layer}.input_layernorm.weight: missing." for layer in range(48)]
    assert folded(lines + norms, "missing") == [
        "model.layers.{0-47}.mlp.experts.{0-127}.up_proj.weight: missing.",
        "model.layers.{0-47}.input_layernorm.weight: missing.",
    ]


def test_what_is_wrong_in_another_way_is_a_line_of_its_own():
    lines = [f"layers.{n}.w: has shape [3], config.json asks for [{4 + n % 2}]." for n in range(102)]
    short = folded(lines, "of another shape")
    assert len(short) == 2 and short[0].startswith("layers.{0, 2, 4, ") and short[0].endswith("asks for [4].")


def test_names_without_an_order_are_cut_and_counted():
    lines = [f"a{number}: unexpected." for number in range(LISTED + 7)]
    assert folded(lines, "unexpected") == [*lines[:LISTED], "... and 7 lines more, unexpected."]


@given(st.sets(st.tuples(st.integers(0, 11), st.integers(0, 15)), max_size=80))
def test_no_tensor_is_lost_and_none_made_up(there):
    lines = [EXPERT.format(*each) for each in product(range(12), range(16)) if each not in there]
    short = folded(lines, "missing")
    assert len(short) <= 12 and sorted(name for line in short for name in unfolded(line)) == sorted(lines)
