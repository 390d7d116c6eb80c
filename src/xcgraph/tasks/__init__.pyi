from .dual_task import DualNetwork as DualNetwork
from .dual_task import DualTask as DualTask
from .label_network import LabelInputs as LabelInputs
from .label_network import LabelNetwork as LabelNetwork
from .label_text import frozen_text as frozen_text
from .label_text import trained_text as trained_text
from .meta_text import joined_texts as joined_texts
from .meta_text import summed_views as summed_views
from .regularization import (
    GraphRegularization as GraphRegularization,
)
from .regularization import (
    NoRegularization as NoRegularization,
)
from .regularization import (
    Regularization as Regularization,
)
from .regularized_task import RegularizedTask as RegularizedTask
from .task import Learning as Learning
from .task import Task as Task
from .xc_task import XCTask as XCTask
