"""Rebuild the data and model of a saved run from its config."""
