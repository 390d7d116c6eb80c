"""What configs describe, built: beside the command line, all that knows Hydra."""
