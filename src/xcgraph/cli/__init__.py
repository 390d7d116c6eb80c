"""Console scripts: the only modules that know Hydra."""
