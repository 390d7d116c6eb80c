from .blocks import (
    FoldedBlock as FoldedBlock,
)
from .blocks import (
    GatedResidualBlock as GatedResidualBlock,
)
from .blocks import (
    NoBlock as NoBlock,
)
from .blocks import (
    ResidualBlock as ResidualBlock,
)
from .classifier import LabelClassifier as LabelClassifier
from .dual_encoder import DualEncoder as DualEncoder
from .encoder import (
    BagOfTokens as BagOfTokens,
)
from .encoder import (
    Encoder as Encoder,
)
from .encoder import (
    ShiftedSumOfTokens as ShiftedSumOfTokens,
)
from .encoder import (
    SumOfTokens as SumOfTokens,
)
from .fusion import (
    AttentionFusion as AttentionFusion,
)
from .fusion import (
    ConcatFusion as ConcatFusion,
)
from .fusion import (
    Fusion as Fusion,
)
from .fusion import (
    GatedFusion as GatedFusion,
)
from .fusion import (
    MeanFusion as MeanFusion,
)
from .fusion import (
    OnlyView as OnlyView,
)
from .fusion import (
    SumFusion as SumFusion,
)
from .hnsw_retrieval import HnswRetrieval as HnswRetrieval
from .label_encoder import (
    LabelEncoder as LabelEncoder,
)
from .label_encoder import (
    MemberSums as MemberSums,
)
from .label_encoder import (
    MetaLabelEncoder as MetaLabelEncoder,
)
from .label_graph import (
    Graph as Graph,
)
from .label_graph import (
    Propagation as Propagation,
)
from .label_graph import (
    Views as Views,
)
from .label_text import FrozenLabelText as FrozenLabelText
from .label_text import TiedLabelText as TiedLabelText
from .likelihood import Likelihood as Likelihood
from .likelihood import Logistic as Logistic
from .likelihood import Softmax as Softmax
from .portable import (
    LabelScorer as LabelScorer,
)
from .portable import (
    PointEncoder as PointEncoder,
)
from .pruning import NoPruning as NoPruning
from .pruning import Pruning as Pruning
from .pruning import ScheduledPruning as ScheduledPruning
from .refinement import (
    NoRefinement as NoRefinement,
)
from .refinement import (
    RandomRefinementVectors as RandomRefinementVectors,
)
from .refinement import (
    RefinementVectors as RefinementVectors,
)
from .refinement import (
    ZeroRefinementVectors as ZeroRefinementVectors,
)
from .regularizer import (
    GraphRegularizer as GraphRegularizer,
)
from .regularizer import (
    NoRegularizer as NoRegularizer,
)
from .regularizer import (
    Regularizer as Regularizer,
)
from .regularizer_weight import (
    BanditWeight as BanditWeight,
)
from .regularizer_weight import (
    FixedWeight as FixedWeight,
)
from .regularizer_weight import (
    RegularizerWeight as RegularizerWeight,
)
from .retrieval import ExactRetrieval as ExactRetrieval
from .retrieval import Retrieval as Retrieval
from .transformer import TransformerEncoder as TransformerEncoder
from .triplet import TripletLoss as TripletLoss
