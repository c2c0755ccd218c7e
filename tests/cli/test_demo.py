"""The demo's parts; that all of it works is shown by .ci/run, which runs it."""

import shlex
import sys
from pathlib import Path
from string import Template

import pytest
import typer
import typer.main

from rnd1lib.cli.app import command_line
from rnd1lib.cli.demo import STAGES, losses_and_bounds, new_folder, run
from rnd1lib.errors import Rnd1Error
from rnd1lib.recipe import read_recipe

VALUES = {"folder": "a folder/demo", "steps": 2, "autoregressive_steps": 3, "comparison": "print(1)"}


def words(stage):
    command = [Template(word).substitute(VALUES) for word in shlex.split(stage.command)]
    start = command.index("rnd1lib") if "rnd1lib" in command else 0
    return command[start + 1 :]


@pytest.mark.parametrize("stage", STAGES[:-1], ids=lambda stage: stage.purpose[:30])
def test_every_command_is_a_public_one(stage):
    name, *arguments = words(stage)
    typer.main.get_command(command_line()).commands[name].make_context(name, arguments)


def test_every_recipe_has_the_keys_that_are_set():
    trained = [words(stage) for stage in STAGES if "train" in words(stage)]
    assert len(trained) == 3
    for _, recipe, *overrides in trained:
        assert read_recipe(recipe, overrides).run.folder.startswith("a folder/demo/")


def test_without_a_name_the_next_free_folder_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = [new_folder(None) for _ in range(3)]
    assert made == [Path("runs/demo"), Path("runs/demo-2"), Path("runs/demo-3")]
    assert all(folder.is_dir() for folder in made)


def test_a_folder_that_exists_is_left_alone(tmp_path):
    with pytest.raises(Rnd1Error, match="overwrites nothing"):
        new_folder(tmp_path)


def test_a_command_is_printed_and_its_output_shown_and_kept(capfd):
    assert run([sys.executable, "-c", "print('out of it')"]) == "out of it\n"
    shown = capfd.readouterr().out
    assert f"$ {sys.executable} -c " in shown
    assert "\nout of it\n" in shown


def test_a_command_sees_one_thread_and_the_programs_of_this_environment():
    script = "import os; print(os.environ['OMP_NUM_THREADS'], os.environ['PATH'])"
    threads, path = run([sys.executable, "-c", script]).split(maxsplit=1)
    assert threads == "1"
    assert path.startswith(str(Path(sys.executable).parent))


def test_a_command_that_fails_ends_the_demo_with_its_code(capfd):
    with pytest.raises(typer.Exit) as left:
        run([sys.executable, "-c", "import sys; print('why', file=sys.stderr); sys.exit(7)"])
    assert left.value.exit_code == 7
    assert "why" in capfd.readouterr().err


def test_a_command_that_a_signal_ends_is_a_failure_too():
    with pytest.raises(typer.Exit) as left:
        run([sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"])
    assert left.value.exit_code == 1


def test_losses_and_bounds_are_told_apart(tmp_path):
    (tmp_path / "metrics.jsonl").write_text(
        '{"step": 0, "evaluator": "nll", "nll": 9.5}\n'
        '{"step": 1, "loss": 9.0, "tokens": 7}\n'
        '{"step": 2, "loss": 8.0, "tokens": 7}\n'
        '{"step": 2, "evaluator": "nll", "nll": 8.5}\n'
    )
    assert losses_and_bounds(tmp_path) == ([9.0, 8.0], [(0, 9.5), (2, 8.5)])
