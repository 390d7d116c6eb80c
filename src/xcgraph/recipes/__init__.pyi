from .anchors import (
    AnchorSource as AnchorSource,
)
from .anchors import (
    LabelAnchors as LabelAnchors,
)
from .anchors import (
    MetadataAnchors as MetadataAnchors,
)
from .anchors import (
    NoAnchors as NoAnchors,
)
from .eclare import Eclare as Eclare
from .eclare import Stages as Stages
from .joint import Joint as Joint
from .models import (
    Ensemble as Ensemble,
)
from .models import (
    Game as Game,
)
from .models import (
    Ranker as Ranker,
)
from .models import (
    RankerConfig as RankerConfig,
)
from .models import (
    RankingModel as RankingModel,
)
from .models import (
    Retriever as Retriever,
)
from .models import (
    Tree as Tree,
)
from .nearest_shortlister import (
    NearestShortlister as NearestShortlister,
)
from .nearest_shortlister import (
    NearestShortlisterConfig as NearestShortlisterConfig,
)
from .negatives import (
    AllLabels as AllLabels,
)
from .negatives import (
    Negatives as Negatives,
)
from .negatives import (
    SharedNegatives as SharedNegatives,
)
from .negatives import (
    UnweightedNegatives as UnweightedNegatives,
)
from .points import (
    CooccurrenceLabelTexts as CooccurrenceLabelTexts,
)
from .points import (
    GraphLabelTexts as GraphLabelTexts,
)
from .points import (
    LabelTextsAsPoints as LabelTextsAsPoints,
)
from .points import (
    PointSelection as PointSelection,
)
from .points import (
    PropensityWeighted as PropensityWeighted,
)
from .points import (
    TrainingPointsOnly as TrainingPointsOnly,
)
from .portable import PortableMember as PortableMember
from .portable import Scoring as Scoring
from .positives import (
    AugmentedLabels as AugmentedLabels,
)
from .positives import (
    ObservedLabels as ObservedLabels,
)
from .positives import (
    Positives as Positives,
)
from .ramen import Ramen as Ramen
from .ramen import RankedRamen as RankedRamen
from .shortlister import (
    Beams as Beams,
)
from .shortlister import (
    Shortlister as Shortlister,
)
from .shortlister import (
    ShortlisterConfig as ShortlisterConfig,
)
from .shortlister import (
    TreeShortlister as TreeShortlister,
)
from .workspace import Keyed as Keyed
from .workspace import Workspace as Workspace
