import pytest
from grafted_runs import LONG
from titan_runs import write_recipe

import rnd1lib


@pytest.fixture(scope="session")
def grafted(texts, tmp_path_factory):
    """A run through all three stages without a stop, with every checkpoint."""
    folder = tmp_path_factory.mktemp("grafted")
    return rnd1lib.train(rnd1lib.load_recipe(write_recipe(folder, texts), LONG))
