from .folder import RunFolder as RunFolder
from .folder import find_runs as find_runs
from .folder import read_run as read_run
from .run import Model as Model
from .run import Recipe as Recipe
from .run import Run as Run
from .run import Validation as Validation
