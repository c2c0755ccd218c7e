"""A run that fails on its way: what it says, what it leaves, and what starts again."""

import json

import pytest
from titan_runs import losses

import rnd1lib
from rnd1lib.errors import RecipeError
from rnd1lib.titan.records import Records

CHANGED = "--accept-changed-data"


def status(folder):
    return json.loads((folder / "status.json").read_text())


def test_a_line_that_breaks_in_mid_run_is_named_and_mending_it_goes_on(rnd1, tiny, tmp_path, documents):
    six = [*documents(), "train.steps=12", "run.stop_after=6"]
    whole = rnd1lib.train(rnd1lib.load_recipe(tiny, [*six, f"run.folder={tmp_path}/whole"]))
    assert rnd1("train", tiny, *documents(), "train.steps=12", "run.stop_after=3")[0] == 0
    code, lines = rnd1("train", tiny, *documents(broken=3), "train.steps=12", "run.stop_after=6", CHANGED)
    assert code == 2 and f"{tmp_path}/docs.jsonl:3: the line is not JSON" in lines[-1]
    assert not any("Traceback" in line for line in lines)
    said = {"state": "failed", "step": 3, "exit_code": 2, "error": lines[-1]}
    assert status(tmp_path / "run").items() >= said.items()
    assert rnd1("train", tiny, *documents(), "train.steps=12", "run.stop_after=6", CHANGED)[0] == 0
    assert losses(rnd1lib.train(rnd1lib.load_recipe(tiny, six))) == losses(whole)


def test_a_source_of_one_document_cannot_be_held_out_and_another_recipe_may_then_start(rnd1, tiny, tmp_path, texts):
    code, lines = rnd1(
        "train", tiny, f"data={{use: text, path: {texts}/01.txt}}", "evaluators={nll: {use: nll}}", "train.warmup=50%"
    )
    assert code == 2 and "nll: " in lines[-1] and "too few different documents" in lines[-1]
    assert status(tmp_path / "run")["state"] == "failed"
    alone = rnd1lib.train(rnd1lib.load_recipe(tiny, ["train.steps=1", f"run.folder={tmp_path}/alone"]))
    assert rnd1("train", tiny, "train.steps=1")[0] == 0
    again = rnd1lib.train(rnd1lib.load_recipe(tiny, ["train.steps=1"]))
    assert losses(again) == losses(alone)  # with the tokenizer of all texts, not of the one document


def test_the_model_folder_of_a_first_start_that_was_killed_is_not_believed(tiny, tmp_path):
    alone = rnd1lib.train(rnd1lib.load_recipe(tiny, ["train.steps=1", f"run.folder={tmp_path}/alone"]))
    folder = tmp_path / "run"
    (folder / "model").mkdir(parents=True)
    (folder / ".lock").touch()
    (folder / "model/config.json").write_text('{"model_type": "of another recipe"}')
    (folder / "model/tokenizer.json").write_text("half")
    assert losses(rnd1lib.train(rnd1lib.load_recipe(tiny, ["train.steps=1"]))) == losses(alone)


def test_a_folder_at_work_is_refused_and_its_status_left_alone(rnd1, tiny, tmp_path):
    folder = tmp_path / "run"
    first = Records(folder, writes=True)
    first.take()
    first.status("running", step=7)
    code, lines = rnd1("train", tiny)
    assert code == 2 and lines[-1] == f"{folder}: another process is training in this folder."
    assert status(folder)["state"] == "running" and status(folder)["step"] == 7
    first.close()
    assert rnd1("train", tiny, "train.steps=1")[0] == 0


def test_another_recipes_run_is_refused_with_what_differs(rnd1, tiny, tmp_path):
    assert rnd1("train", tiny, "run.stop_after=1")[0] == 0
    before = (tmp_path / "run/recipe.yaml").read_text()
    code, lines = rnd1("train", tiny, "noise=cosine", "train.clip=0.5")
    assert code == 2 and len(lines) == 2 and all("holds the run of another recipe" in line for line in lines)
    assert (tmp_path / "run/recipe.yaml").read_text() == before
    with pytest.raises(RecipeError, match=r"noise.*linear in the run, cosine now"):
        rnd1lib.train(rnd1lib.load_recipe(tiny, ["noise=cosine"]))
