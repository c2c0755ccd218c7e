import pytest
from grafted_runs import LONG
from titan_runs import TINY

import rnd1lib


@pytest.fixture(scope="session")
def grafted(texts, tmp_path_factory):
    """A run through all three stages without a stop, with every checkpoint."""
    folder = tmp_path_factory.mktemp("grafted")
    (folder / "tiny.yaml").write_text(TINY % (texts, folder), encoding="utf-8")
    return rnd1lib.train(rnd1lib.load_recipe(folder / "tiny.yaml", LONG))
