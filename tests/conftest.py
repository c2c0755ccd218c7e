"""What tests of every folder share; and no test is timed, however busy the machine."""

from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import settings
from titan_runs import write_recipe, write_texts

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

HERE = Path(__file__).parent
PLUGIN = """
from dataclasses import dataclass
from rnd1lib import hookimpl
{}
@dataclass(frozen=True, kw_only=True)
class {}
@hookimpl
def rnd1_register(register):
    register.{}('{}', {})
"""
SHARED = HERE.parent.parent / "shared" / "goldens"


@pytest.fixture(scope="session")
def goldens() -> Path:
    """The whole collection where it stands beside the project, else the small copy in the tree."""
    return SHARED if SHARED.is_dir() else HERE / "goldens"


@pytest.fixture(scope="session")
def TableModel():
    """A denoiser without a transformer."""
    from table import TableModel

    return TableModel


@pytest.fixture(scope="session")
def texts(tmp_path_factory):
    """A folder of short texts."""
    folder = tmp_path_factory.mktemp("texts")
    write_texts(folder)
    return folder


@pytest.fixture
def tiny(tmp_path, texts):
    """Writes a recipe that trains in a second; its run folder is `run` beside it."""
    return write_recipe(tmp_path, texts)


@pytest.fixture
def plugin(tiny, tmp_path):
    """plugin("noise", "class Late: ...") gives the recipe a component of its own, named as its class in small letters."""

    def add(kind, source):
        name = source.split("class ")[1].partition(":")[0].partition("(")[0]
        before, _, body = dedent(source).partition("class ")
        (tmp_path / f"{name.lower()}.py").write_text(PLUGIN.format(before, body, kind, name.lower(), name), encoding="utf-8")
        tiny.write_text(f"{tiny.read_text()}plugins: [./{name.lower()}.py]\n", encoding="utf-8")

    return add


@pytest.fixture
def run(tiny):
    """run("train.steps=3", ...) trains the recipe with overrides in this process; the folder is the result's `folder`."""
    import rnd1lib

    def train(*overrides, fresh=False):
        return rnd1lib.train(rnd1lib.load_recipe(tiny, overrides), fresh=fresh)

    return train


@pytest.fixture(scope="session")
def whole(texts, tmp_path_factory):
    """The run of that recipe that nothing happens to: trained once for all tests, which leave its folder alone."""
    import rnd1lib

    folder = tmp_path_factory.mktemp("whole")
    return rnd1lib.train(rnd1lib.load_recipe(write_recipe(folder, texts)))
