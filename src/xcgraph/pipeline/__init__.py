"""Recipes: stages in the order of the papers, artifacts and resume."""
