"""The user's first use: a package of someone else's, installed by pip into an environment of its own."""

import json
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "plugins" / "example"


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of a clean environment that sees this one's packages and has the example installed besides."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder)
    inside = {"base": str(folder), "platbase": str(folder)}
    host = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    Path(sysconfig.get_path("purelib", "venv", inside), "host.pth").write_text(host)
    python = str(folder / "bin" / "python")
    install = ["--python", python, "install", "--quiet", "--no-deps", "--no-build-isolation", str(EXAMPLE)]
    subprocess.run([sys.executable, "-m", "pip", *install], check=True)
    return python


def run(python, *arguments):
    return subprocess.run([python, "-m", *arguments], capture_output=True, text=True)


def one_process(python, *commands):
    """(exit code, stdout, stderr) of each command of `rnd1`; torchtitan is imported once."""
    lines = "".join(f"{json.dumps(command)}\n" for command in commands)
    script = Path(__file__).with_name("one_process.py")
    done = subprocess.run([python, script], input=lines, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_its_own_tests_pass(python):
    done = run(python, "pytest", str(EXAMPLE / "tests"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("kind", "name"), [("noise", "exponential"), ("sampler", "falling_floor")])
def test_its_components_are_listed_with_package_and_version(python, kind, name):
    done = run(python, "rnd1lib", "components", kind)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if name in line]
    assert "rnd1-example" in line
    assert "0.1.0" in line


def test_its_recipe_takes_no_wrong_option_is_clean_and_trains_and_its_sampler_samples(python, tmp_path):
    folder = str(tmp_path / "run")
    options = ["--max-new-tokens", "12", "--sampler", "falling_floor", "--steps", "4", "--json"]
    wrong, clean, trained, sampled = one_process(
        python,
        ["recipe", "check", "example:tiny", "noise.rate=0"],
        ["recipe", "check", "example:tiny"],
        ["train", "example:tiny", "run.stop_after=2", f"run.folder={folder}"],
        ["sample", folder, "import ", *options],
    )
    assert wrong[0] == 2 and "rate: 0.0 is not above 0." in wrong[2]
    assert [code for code, _, _ in (clean, trained, sampled)] == [0, 0, 0], (clean, trained, sampled)
    losses = [json.loads(line)["loss"] for line in Path(folder, "metrics.jsonl").read_text().splitlines() if "loss" in line]
    assert len(losses) == 2
    assert "rnd1-example" in Path(folder, "plugins.lock").read_text()
    answer = json.loads(sampled[1])
    assert answer["text"].startswith("import ")
    assert answer["forward_calls"] <= 4


def test_the_switch_leaves_it_out(python, monkeypatch):
    monkeypatch.setenv("RND1_PLUGINS", "rnd1lib")
    done = run(python, "rnd1lib", "recipe", "check", "example:tiny")
    assert done.returncode == 2
    assert "example:tiny" in done.stderr
