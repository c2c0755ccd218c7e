"""What `model.init` and `model.flavor` say together."""

import pytest
from architectures import write

import rnd1lib
from rnd1lib.errors import RecipeError
from rnd1lib.titan.preparation.start import starting_point


def test_a_folder_of_another_size_than_the_flavor_is_refused_and_says_where_they_differ(tiny, tmp_path):
    folder = write("qwen3, tied", tmp_path / "in")
    recipe = rnd1lib.load_recipe(tiny, [f"model={{use: qwen3, flavor: tiny, init: {folder}}}"])
    with pytest.raises(
        RecipeError, match=r"is of another size than flavor 'tiny': hidden_size 48 \(flavor: 96\), num_attention"
    ):
        starting_point(recipe)


def test_a_folder_of_another_family_names_those_that_the_component_reads(tiny, tmp_path):
    folder = write("llama, tied", tmp_path / "in")
    recipe = rnd1lib.load_recipe(tiny, [f"model={{use: qwen3, flavor: null, init: {folder}}}"])
    with pytest.raises(RecipeError, match="has model_type 'llama', and the model 'qwen3' reads qwen3, sdar, a2d-qwen3"):
        starting_point(recipe)
