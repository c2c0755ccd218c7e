"""The command line as a user meets it: what is printed where, and with which exit code it leaves."""

import os
import re
import signal
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from rnd1lib.cli.app import command_line, main
from rnd1lib.cli.doctor import EXTRAS
from rnd1lib.cli.groups import GROUPS
from rnd1lib.errors import RecipeError

HEAVY = "[name for name in ('torch', 'torchtitan', 'transformers', 'datasets') if name in sys.modules]"


@pytest.fixture(scope="module")
def rnd1():
    runner, app = CliRunner(), command_line()

    def run(*arguments):
        done = runner.invoke(app, list(arguments), env={"COLUMNS": "300"})
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.stdout

    return run


def process(*arguments, cwd=None, **environment):
    command = [sys.executable, "-m", "rnd1lib", *arguments]
    return subprocess.run(command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=120)


def test_components_lists_and_shows(rnd1):
    listed = rnd1("components")
    assert "attention_mask  bidirectional" in listed and "callback        console" in listed
    assert "linear" in rnd1("components", "noise") and "console" not in rnd1("components", "noise")
    shown = rnd1("components", "noise", "cosine")
    assert "variant" in shown and "Literal['md4', 'mdlm']" in shown and "0.001" in shown


def test_recipes_are_listed_shown_checked_and_compared(rnd1):
    assert "tiny/dense" in rnd1("recipe", "list") and "base/scp" not in rnd1("recipe", "list")
    assert "batch_tokens: 2048\n" in rnd1("recipe", "show", "tiny/dense")
    assert "steps: 3  # command line" in rnd1("recipe", "show", "tiny/dense", "train.steps=3", "--origins")
    assert rnd1("recipe", "check", "tiny/dense") == "tiny/dense: ok\n"
    assert "model.use" in rnd1("recipe", "diff", "tiny/dense", "tiny/moe")
    assert rnd1("recipe", "diff", "tiny/dense", "tiny/dense") == "The two recipes are the same.\n"


def test_doctor_says_ok_or_what_to_do(rnd1):
    lines = rnd1("doctor").splitlines()
    assert {"python", "torch build", "device", "gloo", "cores", "memory", "torchao"} <= {line[:12].strip() for line in lines}
    assert all(len(line.split()) > 2 for line in lines)


def test_doctor_knows_every_optional_package_and_what_needs_it(rnd1):
    declared = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    extras = {(line.partition("==")[0], extra) for extra, lines in declared.items() if extra != "dev" for line in lines}
    assert {(package, extra) for package, (extra, _) in EXTRAS.items()} == extras
    told = {line[:12].strip(): line for line in rnd1("doctor").splitlines()}
    assert all(use in told[package] for package, (_, use) in EXTRAS.items())


def test_doctor_says_how_a_missing_optional_package_comes_and_does_not_complain(rnd1, monkeypatch):
    found = metadata.version

    def version(package):
        if package == "gguf":
            raise metadata.PackageNotFoundError
        return found(package)

    monkeypatch.setattr(metadata, "version", version)
    (line,) = [line for line in rnd1("doctor").splitlines() if line.startswith("gguf")]
    assert "none; for GGUF files: pip install 'rnd1lib[gguf]'" in line and line.endswith(" ok")


def test_every_command_stands_once_under_a_heading_and_those_of_plug_ins_too():
    app = command_line()
    app.command("strange")(lambda: None)
    told = CliRunner().invoke(app, ["--help"]).stdout
    commands = typer.main.get_command(app).commands
    assert set(commands) - {"strange"} <= {name for names in GROUPS.values() for name in names}
    assert [told.count(f"\n  {name} ") + told.count(f"\n  {name}\n") for name in commands] == [1] * len(commands)
    headings = [line.removesuffix(":") for line in told.splitlines() if line.removesuffix(":") in GROUPS]
    assert headings == list(GROUPS)


@pytest.mark.parametrize(
    "arguments",
    [("components", "nois"), ("components", "noise", "linaer"), ("components", "cosine"), ("recipe", "show", "tiny/dnese")],
)
def test_a_wrong_name_is_a_sentence(rnd1, arguments):
    with pytest.raises(Exception, match="Did you mean") as error:
        rnd1(*arguments)
    assert error.value.exit_code == 2


@pytest.mark.parametrize("command", [("train",), ("recipe", "check")])
def test_train_and_check_report_alike_and_leave_nothing_behind(rnd1, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_text("extends: tiny/dense\ntrain: {stepz: 3}\nnoise: {use: cosine, epz: 3}\n")
    with pytest.raises(RecipeError) as error:
        rnd1(*command, "bad.yaml")
    assert [line[:11] for line in error.value.problems] == ["bad.yaml:2:", "bad.yaml:3:"]
    assert [path.name for path in tmp_path.iterdir()] == ["bad.yaml"]


@pytest.mark.parametrize(
    "command",
    [
        "train",
        "sample",
        "infill",
        "export",
        "components",
        "doctor",
        "demo",
        "recipe show",
        "recipe check",
        "recipe diff",
        "recipe list",
    ],
)
def test_every_help_ends_with_an_example(rnd1, command):
    paragraphs = rnd1(*command.split(), "--help")
    assert f"Example: rnd1 {command}" in paragraphs


@pytest.mark.parametrize("arguments", [("--help",), ("recipe", "--help")])
def test_the_list_of_commands_cuts_no_sentence_in_a_narrow_terminal(arguments):
    listed = CliRunner().invoke(command_line(), list(arguments), env={"COLUMNS": "80"}).stdout.partition("  --help  ")[2]
    assert "..." not in listed and listed.count(".\n") >= 4


def test_a_mistake_leaves_with_2_and_a_sentence_on_stderr():
    done = process("recipe", "show", "tiny/dnese")
    assert (done.returncode, done.stdout) == (2, "") and "Did you mean 'tiny/dense'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_traceback_shows_where_it_was_noticed():
    done = process("recipe", "check", "tiny/dnese", "--traceback")
    assert done.returncode == 2 and "Traceback" in done.stderr and "Did you mean 'tiny/dense'?" in done.stderr


@pytest.mark.parametrize("command", [["import", "{}", "out"], ["import", "x.gguf", "{}"], ["sample", "{}", "x"]])
def test_what_the_system_says_of_a_file_is_a_sentence_and_no_bug(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["rnd1", *(word.format("x" * 300) for word in command)])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert re.fullmatch("x{300}[^ ]*: File name too long.", capsys.readouterr().err.strip())


def test_a_switch_that_names_nothing_is_the_users_mistake_and_no_plug_ins_is_none():
    done = process("components", RND1_PLUGINS="rnd1")
    assert done.returncode == 2 and "Did you mean 'rnd1lib'?" in done.stderr
    done = process("components", "noise", RND1_PLUGINS="")
    assert done.returncode == 0 and "linear" not in done.stdout


def test_an_unknown_command_is_a_usage_error():
    assert process("trian").returncode == 2


def test_rank_0_speaks_and_the_others_wait_for_torchrun_to_end_them():
    command = [sys.executable, "-m", "rnd1lib", "recipe", "show", "tiny/dnese"]
    other = subprocess.Popen(command, env=os.environ | {"RANK": "1"}, stderr=subprocess.PIPE, text=True)
    first = process("recipe", "show", "tiny/dnese", RANK="0")
    assert first.returncode == 2 and "tiny/dense" in first.stderr
    assert other.poll() is None
    other.send_signal(signal.SIGTERM)
    assert other.communicate()[1] == "" and other.returncode == -signal.SIGTERM


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["components"],
        ["recipe", "list"],
        ["recipe", "show", "rnd1/base"],
        ["recipe", "diff", "tiny/ar", "tiny/moe"],
    ],
)
def test_looking_imports_no_engine(arguments):
    code = f"import sys, rnd1lib.cli.app as a\ntry: a.command_line()({arguments!r})\nexcept SystemExit: print({HEAVY})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
