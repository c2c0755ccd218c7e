import re

import pytest
from typer.testing import CliRunner

from rnd1lib.cli.app import command_line
from rnd1lib.errors import Rnd1Error


def shown(recipe, *arguments):
    done = CliRunner().invoke(command_line(), ["data", "show", str(recipe), *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_it_shows_what_the_first_step_trains_on(recipe, run_of):
    before = sorted(path.name for path in recipe.parent.iterdir())
    text = shown(recipe, "--rows", "8")
    assert sorted(path.name for path in recipe.parent.iterdir()) == before
    first = run_of(recipe)[0]
    counts = re.findall(r"row \d: t [\d.]+, (\d+) of (\d+) maskable tokens masked", text)
    assert len(counts) == 8  # all rows of a step
    assert sum(int(masked) for masked, _ in counts) == first["masked"]
    assert sum(int(maskable) for _, maskable in counts) == first["tokens"]
    scored = [places(line) for line in text.splitlines() if line.startswith("scored")]
    assert sum(map(len, scored)) == first["masked"]  # under shift 1 what cannot be predicted is not masked either
    assert re.search(r"\d+\.\d\d% of the places hold text", text)


def places(line):
    return [
        place
        for low, high in re.findall(r"(\d+)(?:-(\d+))?(?=, | \(|;)", line.partition(":")[2].split(" (weight")[0] + " (")
        for place in range(int(low), int(high or low) + 1)
    ]


@pytest.fixture
def run_of():
    import rnd1lib

    return lambda recipe: rnd1lib.train(rnd1lib.load_recipe(recipe, ["train.steps=1"])).metrics


def test_without_a_terminal_there_is_no_colour_and_the_data_are_text(recipe):
    text = shown(recipe)
    assert "\x1b" not in text
    assert "old]Text" in re.sub("[⟦⟧⟨⟩]", "", text)
    assert len(re.findall("^row ", text, re.MULTILINE)) == 3


def test_a_mistake_in_the_recipe_is_told_as_by_train(recipe):
    with pytest.raises(Rnd1Error, match="no file matches"):
        shown(recipe, "data.path=nowhere/*.txt")
