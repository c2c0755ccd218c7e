"""Recipes: layers -> merge -> check -> Recipe; every problem at once, with file and line."""
