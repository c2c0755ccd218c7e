"""What is said in more than one place is said alike."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def read(path):
    return (ROOT / path).read_text()


def test_torch_is_pinned_alike_wherever_it_is_installed():
    pins = [re.findall(r"torch==([\d.]+)", read(path)) for path in ("pyproject.toml", "Makefile", ".ci/run")]
    assert pins[0] == pins[1] == pins[2]
    assert len(pins[0]) == 1


def test_ci_runs_the_tests_as_make_does():
    (command,) = re.findall(r"\$\(BIN\)/(python -m pytest.*)", read("Makefile"))
    assert command in read(".ci/run")


def test_ci_lints_as_make_does():
    for command in re.findall(r"\$\(BIN\)/((?:ruff|mypy|lint-imports).*)", read("Makefile")):
        assert command in read(".ci/run")


def test_the_ci_script_is_bash_that_can_be_started():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", str(script)]).returncode == 0


def test_every_folder_under_the_contracts_exists():
    named = set(re.findall(r'"(rnd1lib[\w.]*|rnd1_plugins[\w.]*)"', read("pyproject.toml").split("[tool.importlinter]")[1]))
    assert len(named) > 20
    for name in named:
        path = ROOT / ("plugins" if name.startswith("rnd1_plugins") else ".") / name.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file(), name


def test_every_folder_of_modules_is_a_package_and_git_ignores_none_of_it():
    """What git ignores is in no checkout, and hatchling leaves it out of the wheel."""
    modules = [path for top in ("rnd1lib", "plugins/rnd1_plugins") for path in (ROOT / top).rglob("*.py")]
    folders = {path.parent for path in modules if path.parent.name not in ("resources", "recipes")}
    assert len(folders) > 20
    assert all((folder / "__init__.py").is_file() for folder in folders)
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    parts = {part for path in modules for part in path.relative_to(ROOT).parts}
    assert not parts & {pattern.rstrip("/") for pattern in ignored}
