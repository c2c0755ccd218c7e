"""Two ranks train a tiny network of four families in bf16 as one does, mixtures with their experts on both."""

import json
from pathlib import Path

import families
import pytest
import torch
from families import FAMILIES, steps, train
from processes import run_two_ranks
from titan_runs import weights, write_recipe, write_texts

import rnd1lib
from rnd1lib.kinds import Build
from rnd1lib.models.weights import MASK_ROW

pytestmark = pytest.mark.distributed


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("families")
    write_texts(folder)
    return write_recipe(folder, folder)


@pytest.fixture(scope="module")
def two(recipe):
    """family -> loss and norm of the gradients of each step."""
    run_two_ranks(Path(families.__file__), recipe, recipe.parent)
    return json.loads((recipe.parent / "found.json").read_text())


def drawn(config, family, mask_token_id):
    """The initial weights, by name."""
    with torch.device("meta"):
        network = rnd1lib.build("model", family).spec(config, Build(mask_token_id=mask_token_id)).model.build()
    network.to_empty(device="cpu")
    network.init_states()
    return dict(network.named_parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradients_are_those_of_one_rank_and_attention_and_the_mask_row_alone_move(family, recipe, two):
    alone = train(recipe, recipe.parent / "alone", family)
    assert two[family] == [pytest.approx(alone_step, rel=1e-3) for alone_step in steps(alone)]
    assert two[family][0][0] == pytest.approx(steps(alone)[0][0], rel=1e-6)
    model, after = alone.model(), weights(alone)
    before = drawn(model.config, family, model.mask_token_id)
    for name, value in after.items():
        if name in ("tok_embeddings.weight", "lm_head.weight"):  # into which the mask row is written when a run is opened
            others = torch.arange(len(value)) != model.mask_token_id
            assert torch.equal(value[others], before[name][others]), name
        else:
            assert torch.equal(value, before[name]) is not (".attention." in name or name == MASK_ROW), name
