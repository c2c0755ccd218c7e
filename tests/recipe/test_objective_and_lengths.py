"""What a recipe may ask of the routers' losses and of rows of variable length."""

import pytest

from rnd1lib.errors import RecipeError
from rnd1lib.recipe import load_recipe, read_recipe
from rnd1lib.recipe.arithmetic import share


@pytest.mark.parametrize("objective", ["mdlm", "a2d_shift", "autoregressive"])
@pytest.mark.parametrize("loss", ["balance", "z"])
def test_a_loss_of_routers_is_refused_for_a_model_without_experts(objective, loss):
    mask = ["attention_mask=causal"] if objective == "autoregressive" else []
    with pytest.raises(RecipeError) as error:
        load_recipe("tiny/dense", [f"objective={{use: {objective}, {loss}: 0.1}}", *mask])
    (problem,) = error.value.problems
    assert problem.startswith(
        f"command line: objective {objective!r}: {loss}: this model has no experts, so there are no routers"
    )
    made = load_recipe("tiny/moe", [f"objective={{use: {objective}, {loss}: 0.1}}", *mask]).components.objective
    assert getattr(made, loss) == 0.1


def test_a_negative_coefficient_is_told_with_its_option():
    with pytest.raises(RecipeError, match=r"objective 'a2d_shift': balance: -1\.0 is not a finite number of 0 or more"):
        load_recipe("tiny/moe", ["objective.balance=-1"])


def test_rows_keep_their_length_unless_the_recipe_says_otherwise():
    assert read_recipe("tiny/dense").train.variable_length is None
    section = read_recipe("tiny/dense", ["train.variable_length={shortest: 8}"]).train.variable_length
    assert (share(section.share), section.shortest) == (0.01, 8)
    assert share(read_recipe("tiny/dense", ["train.variable_length.share=2.5%"]).train.variable_length.share) == 0.025
    assert share(read_recipe("tiny/dense", ["train.variable_length.share=0.5"]).train.variable_length.share) == 0.5
    assert read_recipe("tiny/dense", ["train.variable_length={}", "train.variable_length=null"]).train.variable_length is None


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ("{share: 101%}", "share: '101%' is neither a number in [0, 1] nor a percentage such as 1%."),
        ("{share: often}", "share: 'often' is neither a number in [0, 1] nor a percentage such as 1%."),
        ("{share: -0.5}", "share: -0.5 is neither"),
        ("{shortest: 0}", "shortest: 0 is not a positive number of tokens."),
        ("{shortest: 257}", "shortest: longer than a row of sequence_length 256."),
        ("{shortests: 2}", "shortests: no such key. Did you mean 'shortest'?"),
    ],
)
def test_a_variable_length_that_makes_no_sense_is_told(section, sentence):
    with pytest.raises(RecipeError) as error:
        read_recipe("tiny/dense", [f"train.variable_length={section}"])
    (problem,) = error.value.problems
    assert f"command line: train.variable_length.{sentence}" in problem
