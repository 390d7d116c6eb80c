from .base import IdentityGraph as IdentityGraph
from .base import LabelGraph as LabelGraph
from .cooccurrence import CooccurrenceGraph as CooccurrenceGraph
from .game import expand_scores as expand_scores
from .game import meta_graph as meta_graph
from .ppr import PageRankGraph as PageRankGraph
from .pruned import PrunedGraph as PrunedGraph
from .random_walk import RandomWalkGraph as RandomWalkGraph
