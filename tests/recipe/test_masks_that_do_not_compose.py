"""Attention masks and the parts of a recipe that they ask something of."""

import pytest

from rnd1lib.errors import RecipeError
from rnd1lib.recipe import load_recipe

DOUBLED = "attention_mask={use: block_diffusion, block_length: 16, sequence_length: 256}"


@pytest.mark.parametrize(
    ("recipe", "override", "sentence"),
    [
        ("tiny/dense", "train.times.per=block", "'block' needs an attention mask with blocks, and 'bidirectional' has none"),
        ("tiny/block_diffusion", "train.sequence_length=128", None),
        ("tiny/block_diffusion", "attention_mask.sequence_length=128", "128 is not train.sequence_length, 256. Write"),
        ("tiny/ar", DOUBLED, "attention_mask 'block_diffusion': it trains on noisy blocks beside clean"),
        ("tiny/ar", "attention_mask=bidirectional", "attention_mask 'bidirectional': it shows a token what stands after it"),
        ("tiny/ar", "attention_mask=annealing", "attention_mask 'annealing': it shows a token what stands after it"),
        ("tiny/ar", "attention_mask=block_causal", "attention_mask 'block_causal': it shows a token what stands after it"),
        ("tiny/dense", "attention_mask={use: block_diffusion}", "sequence_length"),
        ("tiny/block_diffusion", "attention_mask={use: block_causal, block_length: 8}", None),
        ("tiny/block_diffusion", "train.times={low: 0.3, high: 0.8, redraw: true}", None),
        ("tiny/block_diffusion", "train.times.per=token", "per"),
    ],
)
def test_what_does_not_compose_is_told_in_one_sentence(recipe, override, sentence):
    if sentence is None:
        assert load_recipe(recipe, [override]).components.attention_mask.block_length in (8, 16)
        return
    with pytest.raises(RecipeError) as error:
        load_recipe(recipe, [override])
    assert len(error.value.problems) == 1 and sentence in error.value.problems[0]
    assert error.value.problems[0].startswith("command line: ")
