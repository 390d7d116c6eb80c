from .folder import RunFolder as RunFolder, find_runs as find_runs, read_run as read_run
from .run import Model as Model, Recipe as Recipe, Run as Run, Validation as Validation
