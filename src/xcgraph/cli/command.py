"""What every console script does alike: quiet logs, one sentence per mistake, an exit status."""

from hydra.core.override_parser.types import Override  # noqa: F401
