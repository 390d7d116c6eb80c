"""Plug-in folder of data sets: one DataModule per file, joined to xcgraph by Hydra's ``_target_`` alone."""
