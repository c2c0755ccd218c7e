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


def test_its_recipe_is_clean(python):
    done = run(python, "rnd1lib", "recipe", "check", "example:tiny")
    assert done.returncode == 0, done.stderr


def test_a_wrong_option_of_its_noise_is_the_users_mistake(python):
    done = run(python, "rnd1lib", "recipe", "check", "example:tiny", "noise.rate=0")
    assert done.returncode == 2
    assert "rate: 0.0 is not above 0." in done.stderr


def test_the_switch_leaves_it_out(python, monkeypatch):
    monkeypatch.setenv("RND1_PLUGINS", "rnd1lib")
    done = run(python, "rnd1lib", "recipe", "check", "example:tiny")
    assert done.returncode == 2
    assert "example:tiny" in done.stderr


def test_its_recipe_trains_and_its_sampler_samples(python, tmp_path):
    run_folder = str(tmp_path / "run")
    trained = run(python, "rnd1lib", "train", "example:tiny", "run.stop_after=2", f"run.folder={run_folder}")
    assert trained.returncode == 0, trained.stderr
    losses = [json.loads(line)["loss"] for line in Path(run_folder, "metrics.jsonl").read_text().splitlines() if "loss" in line]
    assert len(losses) == 2
    assert "rnd1-example" in Path(run_folder, "plugins.lock").read_text()
    options = ["--max-new-tokens", "12", "--sampler", "falling_floor", "--steps", "4", "--json"]
    sampled = run(python, "rnd1lib", "sample", run_folder, "import ", *options)
    assert sampled.returncode == 0, sampled.stderr
    answer = json.loads(sampled.stdout)
    assert answer["text"].startswith("import ")
    assert answer["forward_calls"] <= 4
