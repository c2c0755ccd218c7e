"""The TableModel, for the tests of views."""

import importlib.util
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("table", Path(__file__).parents[1] / "table.py")
table = importlib.util.module_from_spec(spec)
spec.loader.exec_module(table)


@pytest.fixture(scope="session")
def TableModel():
    return table.TableModel
