import pytest

from rnd1lib.testing.callback import Example


@pytest.fixture
def watched(tmp_path):
    """watched(rank=1, ...) is a run at step 3 of 10."""
    return lambda **differs: Example(tmp_path / "run", **differs)
