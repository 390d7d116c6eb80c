from .evaluate import (
    evaluate_scores as evaluate_scores,
)
from .evaluate import (
    training_inverse_propensity as training_inverse_propensity,
)
from .functional import (
    inverse_propensity as inverse_propensity,
)
from .functional import (
    ndcg as ndcg,
)
from .functional import (
    precision as precision,
)
from .functional import (
    recall as recall,
)
from .per_point import (
    PointValues as PointValues,
)
from .per_point import (
    measure_points as measure_points,
)
from .per_point import (
    rank_points as rank_points,
)
from .xc_metrics import XCMetrics as XCMetrics
