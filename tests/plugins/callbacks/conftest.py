import pytest
from watched_run import Watched


@pytest.fixture
def watched(tmp_path):
    """watched(rank=1, ...) is a run at step 3 of 10."""
    return lambda **differs: Watched(tmp_path / "run", **differs)
