"""Where the tests find the outputs of other people's implementations."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
SHARED = HERE.parent.parent / "shared" / "goldens"


@pytest.fixture(scope="session")
def goldens() -> Path:
    """The whole collection where it stands beside the project, else the small copy in the tree."""
    return SHARED if SHARED.is_dir() else HERE / "goldens"
