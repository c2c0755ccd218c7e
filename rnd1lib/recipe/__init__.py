"""Recipes: layers -> merge -> check -> Recipe; every problem at once, with file and line."""

from rnd1lib.recipe.load import load_recipe, read_recipe
from rnd1lib.recipe.recipe import Components, Recipe
from rnd1lib.recipe.sections import Entry, ModelSection, RunSection
from rnd1lib.recipe.train_section import TimesSection, TrainSection

__all__ = [
    "Components",
    "Entry",
    "ModelSection",
    "Recipe",
    "RunSection",
    "TimesSection",
    "TrainSection",
    "load_recipe",
    "read_recipe",
]
