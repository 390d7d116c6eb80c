from .balanced import BalancedTree as BalancedTree
from .meta_labels import MetaLabels as MetaLabels
from .meta_labels import label_centroids as label_centroids
