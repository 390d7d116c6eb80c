from .callbacks import (
    CloneSparseGradients as CloneSparseGradients,
)
from .callbacks import (
    MallocTuning as MallocTuning,
)
from .callbacks import (
    MatmulPrecision as MatmulPrecision,
)
from .divergence import BadStep as BadStep
from .divergence import StopAtDivergence as StopAtDivergence
from .progress import Pace as Pace
from .progress import ProgressListener as ProgressListener
from .progress import StageProgress as StageProgress
from .stage import Stage as Stage
