"""A recipe that trains in a second: 64 tokens a row, 8 rows, 512 words, a few texts."""

import pytest
from titan_runs import TINY, write_texts


@pytest.fixture(scope="session")
def texts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    write_texts(folder)
    return folder


@pytest.fixture
def tiny(tmp_path, texts):
    """Writes the recipe; its run folder is `run` beside it."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY % (texts, tmp_path), encoding="utf-8")
    return path


@pytest.fixture
def run(tiny, tmp_path):
    """run("train.steps=3", ...) trains the recipe with overrides in this process; the folder is `run.folder`'s."""
    import rnd1lib

    def train(*overrides, fresh=False):
        return rnd1lib.train(rnd1lib.load_recipe(tiny, overrides), fresh=fresh)

    return train
