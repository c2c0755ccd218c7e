"""The numbers that the specification gives for LLaDA and LLaDA-MoE, in a table of their own, against the shipped recipes."""

from functools import partial

import pytest

import rnd1lib
from rnd1lib.recipe import arithmetic
from rnd1lib.titan.optimizer.schedule import factor

T, B = 1e12, 1e9
PUBLISHED = {  # tokens, epochs, rows of a step, length, weight decay; LLaDA-MoE's batch is not told and is LLaDA's here
    "llada/pretrain": (2.3 * T, None, 1280, 4096, 0.1),
    "llada/sft": (None, 3, 256, 4096, 0.1),
    "llada_moe/stage1": (10 * T, None, 1280, 4096, 0.1),
    "llada_moe/stage2": (10 * T, None, 1280, 4096, 0.1),
    "llada_moe/anneal1": (500 * B, None, 1280, 4096, 0.1),
    "llada_moe/anneal2": (500 * B, None, 640, 8192, 0.1),
    "llada_moe/sft": (None, 3, 256, 4096, 0.1),
}
SHORTEST = {"llada/pretrain": 1, **{f"llada_moe/{stage}": 8 for stage in ("stage1", "stage2", "anneal1", "anneal2")}}
RATES = {  # tokens seen -> rate: 0 to 4e-4 in 2 000 steps, stable for 1.2T, 1e-4 for 0.8T, down to 1e-5 over the last 0.3T
    1000 * 1280 * 4096: 2e-4,
    2000 * 1280 * 4096: 4e-4,
    1.19 * T: 4e-4,
    1.21 * T: 1e-4,
    1.99 * T: 1e-4,
    2.15 * T: 5.5e-5,
    2.2999 * T: 1e-5,
}
MASKS = {"llada": 126336, "llada_moe": 156895}


@pytest.fixture(scope="module")
def recipes():
    return {name: rnd1lib.load_recipe(name) for name in PUBLISHED}


@pytest.mark.parametrize("name", PUBLISHED)
def test_tokens_rows_lengths_and_decay(name, recipes):
    train, groups = recipes[name].train, recipes[name].components.lr_groups
    rows = train.batch_tokens / train.sequence_length
    assert (train.tokens, train.epochs, rows, train.sequence_length, groups.weight_decay) == PUBLISHED[name]
    short = train.variable_length
    assert (short and (short.share, short.shortest)) == (("1%", SHORTEST[name]) if name in SHORTEST else None)


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_makes_them_diffusion_models(name, recipes):
    recipe, used = recipes[name], recipes[name].components
    assert (type(used.noise).__name__, type(used.attention_mask).__name__, used.objective.shift) == (
        "Linear",
        "Bidirectional",
        0,
    )
    assert (used.objective.weight, recipe.train.times.draw) == ("schedule", "uniform")
    assert recipe.model.mask_token_id == MASKS[recipe.model.use]
    assert used.objective.normalise == ("answer" if name.endswith("sft") else "maskable")
    assert type(used.sampler).__name__ == "Llada"
    assert used.sampler.block_length == (64 if recipe.model.use == "llada_moe" else None)


def test_rates_of_pretraining_in_its_four_stages(recipes):
    train = recipes["llada/pretrain"].train
    schedule = partial(factor, warmup=train.warmup, stages=arithmetic.stages(train, arithmetic.steps(train)))
    peak = recipes["llada/pretrain"].components.lr_groups.lr
    found = [peak * schedule(round(tokens / train.batch_tokens)) for tokens in RATES]
    assert found == pytest.approx(list(RATES.values()), rel=1e-2)


@pytest.mark.parametrize("name", ["llada/sft", "llada_moe/sft"])
def test_rates_of_fine_tuning_rise_for_fifty_steps_and_fall_over_the_last_tenth(name, recipes):
    train, steps = recipes[name].train, 1000
    schedule = partial(factor, warmup=train.warmup, stages=arithmetic.stages(train, steps))
    peak = recipes[name].components.lr_groups.lr
    found = [peak * schedule(step) for step in (25, 50, 899, 950, 1000)]
    assert found == pytest.approx([1.25e-5, 2.5e-5, 2.5e-5, 1.375e-5, 2.5e-6], rel=5e-2)


def test_the_base_of_rope_grows_with_the_context(recipes):
    bases = [recipes[f"llada_moe/{stage}"].model.rope_theta for stage in ("stage1", "stage2", "anneal1", "anneal2")]
    assert bases == [1e4, 1e4, 1e4, 5e4]
    assert recipes["llada_moe/sft"].model.rope_theta is None, "the base that it starts from stays"
    stages = ["stage1", "stage2", "anneal1", "anneal2", "sft"]
    starts = [recipes[f"llada_moe/{stage}"].model.init for stage in stages]
    assert starts == [None, *(recipes[f"llada_moe/{stage}"].run.folder for stage in stages[:-1])]
