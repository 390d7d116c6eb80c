"""What every console script does alike: quiet logs, one sentence per mistake, an exit status."""

import logging
import os
import sys
import warnings
from collections.abc import Callable

import hydra
from hydra.core.override_parser.types import Override  # noqa: F401
