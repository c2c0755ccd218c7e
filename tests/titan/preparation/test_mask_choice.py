"""Which row of a folder is taken for a trained one, and kept whatever the recipe says of new ones."""

import pytest
from architectures import MASK, write

import rnd1lib
from rnd1lib.models.origins.mask_row import FirstRow
from rnd1lib.models.tokens.tokenizer import train_tokenizer
from rnd1lib.titan.preparation.mask_choice import choose_row, choose_token, starts_from
from rnd1lib.titan.preparation.model_folder import given_tokenizer
from rnd1lib.titan.preparation.start import starting_point


@pytest.mark.parametrize("rule", ["mean", "zero", "token:7"])
def test_the_row_of_the_mask_token_that_a_tokenizer_declares_is_kept_and_any_other_is_new(rule, tiny, tmp_path):
    folder, made = write("qwen3, tied", tmp_path / "in"), train_tokenizer(["some words of a text"] * 3, 300)
    made.save(folder)
    model = f"model={{use: qwen3, flavor: null, init: {folder}, tokenizer: null, mask_row: '{rule}'}}"
    recipe = rnd1lib.load_recipe(tiny, [model, "objective=a2d_shift"])
    start = starting_point(recipe)
    tokenizer = given_tokenizer(recipe, start)
    token, known = choose_token(recipe, start, start.config, tokenizer), made.vocab_size
    assert token.id == start.mask_token_id == made.mask_token_id != MASK
    kept, new = choose_row(recipe, start, token.id, tokenizer), choose_row(recipe, start, MASK, tokenizer)
    assert kept == FirstRow("keep", known)
    assert new == FirstRow(7 if rule == "token:7" else rule, known)
    assert starts_from(recipe, start, token.id, kept).startswith("is kept as it was trained")
    assert starts_from(recipe, start, MASK, new).startswith("starts from")
