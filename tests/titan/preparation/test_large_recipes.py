"""The recipes that no test machine can run: their networks on the meta device, their groups, their arithmetic."""

import pytest
import torch
from rnd1_plugins.models.llada import Llada
from rnd1_plugins.models.llada_moe import LladaMoe
from rnd1_plugins.models.qwen3 import Qwen3
from rnd1_plugins.models.qwen3_moe import Qwen3Moe

import rnd1lib
from rnd1lib.kinds import Build
from rnd1lib.models.config.tensor_names import MASK_ROW
from rnd1lib.titan.optimizer.groups import claim
from rnd1lib.titan.preparation import plan
from rnd1lib.titan.preparation.start import starting_point

LARGE = {
    "rnd1/base": (Qwen3Moe.flavors["30B-A3B"], 30.53e9, 64),
    "rnd1/base_b200": (Qwen3Moe.flavors["30B-A3B"], 30.53e9, 8),
    "probe/scp": (Qwen3.flavors["4B"], 4.02e9, 8),
    "probe/grafting": (Qwen3.flavors["4B"], 4.02e9, 8),
    "probe/random": (Qwen3.flavors["4B"], 4.02e9, 8),
    "llada/pretrain": (Llada.flavors["8B"], 8.02e9, 64),
    "llada/sft": (Llada.flavors["8B"], 8.02e9, 64),
    "llada_moe/stage1": (LladaMoe.flavors["7B-A1B"], 7.36e9, 64),
    "llada_moe/stage2": (LladaMoe.flavors["7B-A1B"], 7.36e9, 64),
    "llada_moe/anneal1": (LladaMoe.flavors["7B-A1B"], 7.36e9, 64),
    "llada_moe/anneal2": (LladaMoe.flavors["7B-A1B"], 7.36e9, 64),
    "llada_moe/sft": (LladaMoe.flavors["7B-A1B"], 7.36e9, 64),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_recipe_is_a_whole_run_on_meta(name):
    flavor, size, ranks = LARGE[name]
    recipe = rnd1lib.load_recipe(
        name, ["model.init=null", "model.tokenizer=null", "data=python_docs", "titan.compile.enable=false"]
    )
    component = recipe.components.model
    with torch.device("meta"):
        network = component.spec(flavor, Build(mask_token_id=recipe.model.mask_token_id)).model.build()
    counts = {key: value.numel() for key, value in network.named_parameters()}
    assert sum(counts.values()) == pytest.approx(size, rel=2e-3)
    names = [source.parameter for source in component.tensors(flavor)]
    claims = claim(recipe.components.lr_groups.groups(names), names, mask_row=True)
    assert {each for _, parameters in claims for each in parameters} == {*counts, *names} and MASK_ROW in counts
    made = plan.plan_run(recipe, ranks)
    assert made.batching.global_rows * recipe.train.sequence_length == recipe.train.batch_tokens
    assert made.batching.global_rows == ranks * made.batching.micro_batch_rows * made.batching.accumulation


@pytest.mark.parametrize(
    ("name", "tokens", "length", "theta"),
    [
        ("stage1", 10e12, 4096, 1e4),
        ("stage2", 10e12, 4096, 1e4),
        ("anneal1", 500e9, 4096, 1e4),
        ("anneal2", 500e9, 8192, 5e4),
        ("sft", None, 4096, None),
    ],
)
def test_llada_moes_stages_are_the_talks(name, tokens, length, theta):
    recipe = rnd1lib.load_recipe(f"llada_moe/{name}", ["model.init=null"])
    assert (recipe.train.tokens, recipe.train.sequence_length, recipe.model.rope_theta) == (tokens, length, theta)
    config = starting_point(recipe).config
    assert (config["rope_theta"], config["max_position_embeddings"]) == (theta or 5e4, 8192)


def test_too_few_gpus_are_said_with_the_number_that_there_are(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_RANK", "1")
    (problem,) = plan._device_problems()
    assert problem == "This machine has 1 GPU, too few for local rank 1. Use --nproc-per-node 1."
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert plan._device_problems() == []
