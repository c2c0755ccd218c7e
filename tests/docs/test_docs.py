"""The documents say what is so: commands parse, recipes load, Python runs, links lead somewhere, references are whole."""

import importlib.util
import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
import typer.main

import rnd1lib
from rnd1lib.cli.app import command_line
from rnd1lib.recipe import Entry, ModelSection, RunSection, TimesSection, TrainSection, read_recipe
from rnd1lib.recipe.sections import DataSection
from rnd1lib.testing import promises

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/example/*.md")])
COMMAND = re.compile(r"^ {4}(?:rnd1|torchrun .* -m rnd1lib) (.*?)(?: {2,}#.*)?$", re.MULTILINE)
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MAPS = sorted([*ROOT.glob("rnd1lib/**/__init__.py"), *ROOT.glob("plugins/rnd1_plugins/*/__init__.py")])
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def commands():
    found = [(page.name, match[1]) for page in PAGES for match in COMMAND.finditer(page.read_text())]
    assert len(found) > 20
    return found


def blocks(page, language):
    return [text for found, text in FENCE.findall((ROOT / page).read_text()) if found == language]


@pytest.mark.parametrize(("page", "line"), commands())
def test_every_command_parses(page, line):
    name, *arguments = shlex.split(line.removeprefix("--plugin my_mask.py ").removeprefix("--plugin my_noise.py "))
    command = typer.main.get_command(command_line()).commands[name]
    command.make_context(name, arguments)


@pytest.mark.parametrize(("page", "line"), [found for found in commands() if " tiny/" in found[1]])
def test_every_shipped_recipe_that_is_named_has_the_keys_that_are_set(page, line):
    recipes = [word for word in shlex.split(line) if word.startswith("tiny/")]
    overrides = [word for word in shlex.split(line) if re.match(r"[a-z_.]+=", word)]
    for name in recipes:
        read_recipe(name, overrides)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page):
    for link in LINK.findall(page.read_text()):
        assert (page.parent / link).exists(), link


def test_the_generated_pages_are_what_the_code_says():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for file, text in generate.pages().items():
        assert text == (generate.REFERENCE / file).read_text(), f"{file}: run `python docs/generate.py`"


@pytest.mark.parametrize("section", [ModelSection, DataSection, TrainSection, TimesSection, RunSection, Entry])
def test_the_page_of_recipes_has_every_key(section):
    page = (ROOT / "docs" / "reference" / "recipe.md").read_text()
    keys = {field.name for field in fields(section)}
    assert not {key for key in keys - {"options"} if f"`{key}`" not in page}


@pytest.mark.parametrize("page", MAPS, ids=lambda page: str(page.parent.relative_to(ROOT)))
def test_the_map_of_a_package_has_every_file_and_folder(page):
    files = [path.stem for path in page.parent.glob("[!_]*.py")]
    folders = {f"{path.parent.name}/" for path in page.parent.glob("[!_]*/*.*")}
    assert sorted(re.findall(r"^(\w+/?) {2,}\S", page.read_text(), re.MULTILINE)) == sorted([*files, *folders])


def test_the_plugin_and_the_recipe_of_the_readme_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (recipe,), (_, plugin) = blocks("README.md", "yaml"), blocks("README.md", "python")
    Path("quadratic.py").write_text(plugin)
    Path("mine.yaml").write_text(recipe + "plugins: [./quadratic.py]\n")
    assert type(rnd1lib.load_recipe("mine.yaml").components.noise).__name__ == "Cosine"
    assert type(rnd1lib.load_recipe("mine.yaml", ["noise=quadratic"]).components.noise).__name__ == "Quadratic"


def test_the_mixture_of_the_how_to_loads(tmp_path):
    (tmp_path / "mixed.yaml").write_text("extends: tiny/moe\n" + blocks("docs/how-to/prepare-data.md", "yaml")[0])
    mixture = rnd1lib.load_recipe(tmp_path / "mixed.yaml").components.data
    assert mixture.weights == {"web": 0.6, "math": 0.3, "docs": 0.1}


def test_the_plugin_file_of_the_how_to_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my_noise.py").write_text(blocks("docs/how-to/write-a-plugin.md", "python")[0])
    Path("quadratic.yaml").write_text(blocks("docs/how-to/write-a-plugin.md", "yaml")[0])
    assert type(rnd1lib.load_recipe("quadratic.yaml").components.noise).__name__ == "Quadratic"


def test_the_conformance_test_of_the_how_to_holds_its_plugin_to_its_promises(tmp_path, monkeypatch):
    plugin, *others = blocks("docs/how-to/write-a-plugin.md", "python")
    (test,) = [block for block in others if "conformance" in block]
    (tmp_path / "my_noise.py").write_text(plugin)
    monkeypatch.syspath_prepend(tmp_path)
    exec(test, made := {})
    (marked,) = made["test_conformance"].pytestmark
    assert [case.id for case in marked.args[1]] == list(promises("noise"))
    for case in marked.args[1]:
        made["test_conformance"](*case.values)


def test_the_training_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(blocks("README.md", "python")[0], {})
    assert "import " in capsys.readouterr().out


def test_the_code_on_randomness_holds():
    (code,) = blocks("docs/explanations/randomness.md", "python")
    exec(code, {})
