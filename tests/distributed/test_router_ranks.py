"""Two gloo ranks with the routers' losses: the gradients of the plain sum over both, FSDP2 and EP, recomputed or not."""

from pathlib import Path

import pytest
import torch
from plain_gradients import plain
from processes import run_two_ranks
from titan_runs import write_recipe, write_texts

import rnd1lib

pytestmark = pytest.mark.distributed
LAYOUTS = {"fsdp": 1, "ep": 1, "ep full": 1, "ep selective accumulation": 2}
SHORT = ("train.variable_length={share: 50%, shortest: 2}", "objective.eos=as_one", "train.steps=3")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("router-ranks")
    write_texts(folder)
    return write_recipe(folder, folder)


@pytest.fixture(scope="module")
def two(recipe):
    """What each of two ranks saw."""
    run_two_ranks(Path(__file__).with_name("router_ranks.py"), recipe, recipe.parent)
    return [torch.load(recipe.parent / f"seen-{rank}.pt") for rank in (0, 1)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_gradients_of_two_ranks_are_those_of_the_losses_added_up(recipe, two, layout):
    micro_batches = [part for rank in two for part in rank[layout]["micro_batches"]]
    assert len(micro_batches) == 2 * LAYOUTS[layout]
    model = rnd1lib.load_model(recipe.parent / layout)
    expected, said = plain(model, micro_batches, balance=0.2, z=0.05)
    for rank in two:
        assert rank[layout]["gradients"].keys() == expected.keys()
        for name, gradient in expected.items():
            assert (rank[layout]["gradients"][name] - gradient).abs().max() < 1e-5 * gradient.abs().max(), name
        for name, by_layer in said.items():
            assert rank[layout]["line"][name] == pytest.approx(by_layer, rel=1e-5)


def test_two_ranks_cut_the_rows_and_mask_the_ends_that_one_does(recipe, two):
    alone = rnd1lib.train(rnd1lib.load_recipe(recipe, [*SHORT, f"run.folder={recipe.parent}/alone"]))
    lines = [line for line in alone.metrics if "loss" in line]
    for ours, theirs in zip(two[0]["short"], lines, strict=True):
        assert (ours["tokens"], ours["masked"]) == (theirs["tokens"], theirs["masked"])
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
    whole = rnd1lib.train(rnd1lib.load_recipe(recipe, ["train.steps=1", f"run.folder={recipe.parent}/whole"]))
    assert lines[0]["tokens"] < 0.9 * whole.metrics[0]["tokens"]
