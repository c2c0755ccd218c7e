"""Recipes: layers -> merge -> check -> Recipe; every problem at once, with file and line.

load            from a name and overrides to a checked recipe; reads as the table of contents of what follows
layers          what a recipe extends, depth first, itself, then each override
source          a YAML text as plain data, with the line of every key
merge           layers into one tree, with the origin of every key
interpolation   `${train.seed}` and `${oc.env:NAME}`
structure       known keys, known names, the core's own sections
sections        these sections, but for `train:`
train_section   `train:` and the sections inside it
typed           values held against a dataclass, key by key
options         a component's options to the component, or to every reason why not
composition     what a recipe's parts ask of each other
arithmetic      rows and steps from tokens, epochs and ranks
problems        everything that is wrong, told by where it stands
recipe          a recipe as it is used: frozen, its components built on use
writing         a tree as YAML, with the origin of each value
difference      what differs between two recipes, and what of it a resumed run may have
"""

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
