"""LightningModules, one per objective, and what builds them from parts and data."""
