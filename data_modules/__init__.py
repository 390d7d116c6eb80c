"""Plug-in folder of data sets: one data module per file. Only Hydra's ``_target_`` connects it to xcgraph."""
