"""The demos' parts; that all of the tiny one works is shown by .ci/run, which runs it."""

import json
from pathlib import Path

import pytest
import typer.main

from rnd1lib.cli.app import command_line
from rnd1lib.cli.demo import losses_and_bounds, made_folder, values_of, write_page
from rnd1lib.cli.demo_real import REAL
from rnd1lib.cli.demo_tiny import TINY
from rnd1lib.cli.prompts import read_prompts
from rnd1lib.errors import Rnd1Error
from rnd1lib.recipe import read_recipe

DEMOS = {"tiny": TINY, "real": REAL}


def commands(demo):
    """The words behind `rnd1` of each of its commands."""
    values = values_of(demo, Path("a folder/demo"), quick=True)
    for stage in demo.stages:
        for words in stage.words(values).values():
            if "rnd1lib" in words or words[0] == "rnd1":
                yield words[words.index("rnd1lib" if "rnd1lib" in words else "rnd1") + 1 :]


ALL = [pytest.param(demo, words, id=f"{name} {words[0]}") for name, demo in DEMOS.items() for words in commands(demo)]


@pytest.mark.parametrize(("demo", "words"), ALL)
def test_every_command_is_a_public_one(demo, words):
    name, *arguments = words
    typer.main.get_command(command_line()).commands[name].make_context(name, arguments)


@pytest.mark.parametrize(("name", "runs"), [("tiny", 3), ("real", 2)])
def test_every_recipe_has_the_keys_that_are_set(name, runs):
    trained = [words for words in commands(DEMOS[name]) if words[0] == "train"]
    assert len(trained) == runs
    folders = {Path(read_recipe(recipe, overrides).run.folder) for _, recipe, *overrides in trained}
    assert len(folders) == runs
    assert folders >= {Path("a folder/demo") / arm for arm in DEMOS[name].arms}


def test_the_gaps_of_the_real_demo_are_three_prompts_with_a_gap_each():
    files = {words[words.index("--prompts") + 1] for words in commands(REAL) if "--prompts" in words}
    (prompts,) = [read_prompts([], Path(file), ids=False) for file in files]
    assert len(prompts) == 3
    assert all(prompt.count("[[") == 1 for prompt in prompts)


def test_the_real_demo_does_its_work_in_the_order_that_it_needs():
    first = [words[0] for words in commands(REAL)]
    assert first == ["import", "sample", "infill", "infill", "train", "train", "infill"]


def test_without_a_name_the_next_free_folder_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = [made_folder(TINY, None) for _ in range(3)]
    assert made == [Path("runs/demo"), Path("runs/demo-2"), Path("runs/demo-3")]
    assert all(folder.is_dir() for folder in made)


def test_a_folder_that_exists_is_left_alone_unless_the_demo_goes_on(tmp_path):
    with pytest.raises(Rnd1Error, match="overwrites nothing"):
        made_folder(TINY, tmp_path)
    assert made_folder(REAL, tmp_path) == tmp_path


def test_a_demo_that_goes_on_has_one_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert {made_folder(REAL, None) for _ in range(2)} == {Path("runs/demo-real")}


def test_losses_and_bounds_are_told_apart(tmp_path):
    (tmp_path / "metrics.jsonl").write_text(
        '{"step": 0, "evaluator": "nll", "nll": 9.5}\n'
        '{"step": 1, "loss": 9.0, "tokens": 7}\n'
        '{"step": 2, "loss": 8.0, "tokens": 7}\n'
        '{"step": 2, "evaluator": "nll", "nll": 8.5}\n'
    )
    assert losses_and_bounds(tmp_path) == ([9.0, 8.0], [(0, 9.5), (2, 8.5)])


@pytest.mark.parametrize(("name", "steps"), [("tiny", (150, 10)), ("real", (60, 2))])
def test_a_quick_demo_takes_few_steps(name, steps):
    assert tuple(values_of(DEMOS[name], Path("demo"), quick=quick)["steps"] for quick in (False, True)) == steps


def test_each_arm_is_told_with_its_bound_before_its_first_step_and_after_its_last(tmp_path, capsys):
    for number, arm in enumerate(TINY.arms):
        (tmp_path / arm).mkdir()
        bounds = [(0, 9.5 + number), (1, 3.25), (2, 8.5 + number)]
        lines = [{"step": step, "evaluator": "nll", "nll": nll} for step, nll in bounds] + [{"step": 1, "loss": 4.0}]
        (tmp_path / arm / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_page(TINY, tmp_path, {"a command": "its text"}, ["a command"])
    told = capsys.readouterr().out
    first, second = TINY.arms.values()
    assert f"  9.50 -> 8.50  from {first}\n 10.50 -> 9.50  from {second}\n" in told
    assert "its text" in (tmp_path / "demo.html").read_text()
