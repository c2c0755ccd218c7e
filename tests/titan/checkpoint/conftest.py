"""Runs to go on with: recorded once, and copied for each test."""

import shutil

import pytest
from titan_runs import write_recipe

import rnd1lib
from rnd1lib.models.runs.folder import RunFolder


def recorded(texts, folder, *overrides):
    return rnd1lib.train(rnd1lib.load_recipe(write_recipe(folder, texts), overrides)).folder


@pytest.fixture(scope="session")
def recorded_to_three(texts, tmp_path_factory):
    return recorded(texts, tmp_path_factory.mktemp("three"), "run.stop_after=3")


@pytest.fixture(scope="session")
def recorded_to_four(texts, tmp_path_factory):
    return recorded(texts, tmp_path_factory.mktemp("four"), "run.stop_after=4", "titan.checkpoint.interval=1")


@pytest.fixture
def stopped(recorded_to_three, tmp_path):
    """The run folder of `tiny`, stopped after step 3."""
    return RunFolder(shutil.copytree(recorded_to_three, tmp_path / "run"))


@pytest.fixture
def saved_each_step(recorded_to_four, tmp_path):
    """The run folder of `tiny`, stopped after step 4, with every checkpoint."""
    return RunFolder(shutil.copytree(recorded_to_four, tmp_path / "run"))
