"""The recipes of SmolLM2 on a Llama of 0.7 M parameters that stands in for it."""

import pytest
import torch
from rnd1_plugins.models.llama import Llama
from titan_runs import write_texts
from transformers import LlamaConfig, LlamaForCausalLM

import rnd1lib
from rnd1lib.models.tokens.tokenizer import train_tokenizer
from rnd1lib.plugins import installed
from rnd1lib.recipe.layers import shipped
from rnd1lib.titan.preparation.plan import plan_run

NAMES = sorted(name for name in shipped(installed()) if name.startswith("smollm2/"))
SMALL = ["model.mask_token_id=null", "train.batch_tokens=128", "train.sequence_length=64", "train.micro_batch_rows=null"]
SHORT = ["train.steps=2", "train.streams=2", "evaluators.nll.rows=4", "callbacks.console=null"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model folder, texts, and the same texts as lines of JSON."""
    made = tmp_path_factory.mktemp("smollm2")
    write_texts(made)
    texts = [path.read_text() for path in sorted(made.glob("*.txt"))]
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(**Llama.flavors["tiny"])).save_pretrained(made / "model")
    train_tokenizer(texts, 512).save(made / "model")
    return made


def small(name, folder, run, *more):
    init = "model.init=null" if name == "smollm2/random" else f"model.init={folder}/model"
    given = ["model.flavor=tiny", init, f"model.tokenizer={folder}/model", f"run.folder={run}"]
    return rnd1lib.load_recipe(name, [*SMALL, *given, f"data={{use: text, path: {folder}/*.txt}}", *more])


def test_there_are_recipes():
    assert {"smollm2/scp", "smollm2/random", "smollm2/annealing", "smollm2/long"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_holds_together_with_a_folder_of_its_kind(name, folder, tmp_path):
    recipe = small(name, folder, tmp_path / "run")
    assert plan_run(recipe, ranks=1).batching.global_rows == 2
    assert recipe.components.objective.shift == 1


@pytest.fixture(scope="module")
def arms(folder, tmp_path_factory):
    """Both arms of the demo, two steps each."""
    runs = tmp_path_factory.mktemp("runs")
    recipes = {name: small(f"smollm2/{name}", folder, runs / name, *SHORT) for name in ("scp", "random")}
    return {name: rnd1lib.train(recipe) for name, recipe in recipes.items()}


def test_both_arms_see_the_same_rows_under_the_same_masks(arms):
    seen = {name: [(line["tokens"], line["masked"]) for line in run.metrics if "loss" in line] for name, run in arms.items()}
    assert seen["scp"] == seen["random"]
    assert len(seen["scp"]) == 2


def test_each_arm_is_evaluated_before_its_first_step_and_after_its_last(arms):
    for run in arms.values():
        assert [line["step"] for line in run.metrics if line.get("evaluator") == "nll"] == [0, 2]


def test_attention_and_the_mask_row_move_and_nothing_else(arms, folder, tmp_path):
    out = rnd1lib.export(arms["scp"].folder, tmp_path / "export", layout="llama")
    before, after = (dict(LlamaForCausalLM.from_pretrained(path).named_parameters()) for path in (folder / "model", out))
    moved = {name for name, value in after.items() if not value.equal(before[name])}
    table = "model.embed_tokens.weight"
    assert moved == {name for name in before if ".self_attn." in name} | {table}
    rows = (after[table] != before[table]).any(1).nonzero().flatten().tolist()
    assert rows == [arms["scp"].model().mask_token_id]


def test_the_instruct_flavor_is_the_base_size_with_the_marks_of_a_turn():
    base, instruct = (Llama.flavors[name] for name in ("SmolLM2-135M", "SmolLM2-135M-Instruct"))
    assert {key for key in base if base[key] != instruct[key]} | instruct.keys() - base.keys() == {
        "bos_token_id",
        "eos_token_id",
        "pad_token_id",
    }
