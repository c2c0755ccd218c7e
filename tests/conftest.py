"""Where the tests find the outputs of other people's implementations; and no test is timed, however busy the machine."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

HERE = Path(__file__).parent
SHARED = HERE.parent.parent / "shared" / "goldens"


@pytest.fixture(scope="session")
def goldens() -> Path:
    """The whole collection where it stands beside the project, else the small copy in the tree."""
    return SHARED if SHARED.is_dir() else HERE / "goldens"
