"""The toy dataset, which a model of 32 numbers per label learns in a second, and parts of that size."""

from dataclasses import dataclass, replace
from functools import cached_property, partial, wraps
from inspect import unwrap
from pathlib import Path

import numba
import numpy as np
import pytest
import torch
from pytorch_lightning import Trainer
from scipy.sparse import csr_array

from xcgraph.clustering.balanced import BalancedTree
from xcgraph.clustering.meta_labels import MetaLabels
from xcgraph.data.shortlists import ShortlistDataset
from xcgraph.data.xc_data import Split, XCData
from xcgraph.graph.random_walk import RandomWalkGraph
from xcgraph.nn.blocks import NoBlock
from xcgraph.nn.encoder import BagOfTokens, ShiftedSumOfTokens
from xcgraph.nn.fusion import AttentionFusion, SumFusion
from xcgraph.nn.label_graph import Propagation
from xcgraph.nn.likelihood import Softmax
from xcgraph.nn.pruning import ScheduledPruning
from xcgraph.nn.refinement import RefinementVectors, ZeroRefinementVectors
from xcgraph.nn.regularizer_weight import BanditWeight
from xcgraph.nn.retrieval import ExactRetrieval
from xcgraph.nn.triplet import TripletLoss
from xcgraph.optim import LinearSchedule, SparseDenseAdam
from xcgraph.recipes.anchors import LabelAnchors
from xcgraph.recipes.eclare import Eclare, Stages
from xcgraph.recipes.joint import Joint
from xcgraph.recipes.models import RankerConfig
from xcgraph.recipes.negatives import AllLabels
from xcgraph.recipes.points import CooccurrenceLabelTexts
from xcgraph.recipes.positives import ObservedLabels
from xcgraph.recipes.ramen import Ramen
from xcgraph.recipes.shortlister import ShortlisterConfig
from xcgraph.recipes.workspace import Workspace
from xcgraph.sparse import normalize_rows, top_k_rows
from xcgraph.storage.artifacts import ArtifactStore
from xcgraph.tasks.dual_task import DualNetwork
from xcgraph.tasks.label_network import LabelInputs, LabelNetwork
from xcgraph.tasks.label_text import trained_text
from xcgraph.tasks.regularization import GraphRegularization
from xcgraph.tasks.xc_task import XCTask
from xcgraph.training.stage import Stage

NUM_TOPICS, LABELS_PER_TOPIC, TOKENS_PER_TOPIC, NUM_NOISE_TOKENS = 5, 8, 10, 10
NUM_LABELS = NUM_TOPICS * LABELS_PER_TOPIC
NUM_TOKENS = NUM_TOPICS * TOKENS_PER_TOPIC + NUM_NOISE_TOKENS


def own_tokens(label):
    """Return the tokens of a label: its own token, and a token that it shares with half of its topic."""
    topic, place = divmod(label, LABELS_PER_TOPIC)
    start = topic * TOKENS_PER_TOPIC
    return [start + place, start + LABELS_PER_TOPIC + place % 2]


def draw_labels(rng, first):
    """Draw labels of one topic: the first, the next with probability 1/2, and any other with 1/3."""
    topic, place = divmod(first, LABELS_PER_TOPIC)
    places = {place}
    if rng.random() < 0.5:
        places.add((place + 1) % LABELS_PER_TOPIC)
    if rng.random() < 0.33:
        places.add(int(rng.integers(LABELS_PER_TOPIC)))
    return sorted(topic * LABELS_PER_TOPIC + place for place in places)


def make_split(num_points, seed):
    """Draw points; each label has one of the first points, and frequent labels have most of the others.

    The text of a point has most tokens of its labels, and some noise. In every seventh point, the text names
    one label that is not among the labels of the point, but in a filter pair.
    """
    rng = np.random.default_rng(seed)
    features, labels = np.zeros((num_points, NUM_TOKENS)), np.zeros((num_points, NUM_LABELS))
    pairs = []
    share = 1 / np.arange(1, LABELS_PER_TOPIC + 1)
    for point in range(num_points):
        drawn = rng.integers(NUM_TOPICS) * LABELS_PER_TOPIC + rng.choice(
            LABELS_PER_TOPIC, p=share / share.sum()
        )
        carried = draw_labels(rng, point if point < NUM_LABELS else int(drawn))
        tokens = [token for label in carried for token in own_tokens(label) if rng.random() < 0.8]
        tokens.append(own_tokens(carried[0])[1])
        tokens.extend(rng.integers(NUM_TOKENS - NUM_NOISE_TOKENS, NUM_TOKENS, 2))
        features[point, tokens] = rng.uniform(0.5, 1, len(tokens))
        if point % 7 == 0 and len(carried) > 1:
            pairs.append((point, carried.pop()))
        labels[point, carried] = 1
    return Split(
        normalize_rows(csr_array(features, dtype=np.float32)),
        csr_array(labels, dtype=np.float32),
        np.array(pairs, np.int64),
    )


@dataclass(frozen=True)
class Toy:
    """The toy dataset and small parts; each method accepts changes to the fields of its result."""

    @cached_property
    def data(self):
        texts = np.zeros((NUM_LABELS, NUM_TOKENS))
        for label in range(NUM_LABELS):
            texts[label, own_tokens(label)] = 1
        return XCData(
            name="toy",
            train=make_split(200, seed=0),
            test=make_split(60, seed=1),
            label_features=normalize_rows(csr_array(texts, dtype=np.float32)),
        )

    def workspace(self, root: Path, **changes):
        how = {"seed": 0, "validation_fraction": 0.2, "validation_seed": 0, **changes}
        return Workspace.of(how.pop("data", self.data), ArtifactStore(root), **how)

    def network(self, **changes):
        parts = {
            "encoder": partial(BagOfTokens, dim=32),
            "propagation": Propagation(hops=1),
            "fusion": partial(AttentionFusion, dropout=0.1),
            "surrogate_fusion": partial(AttentionFusion, dropout=0.1),
            "refinement": RefinementVectors,
            "label_dropout": 0.1,
        }
        return LabelNetwork(**{**parts, **changes})

    def stage(self, **changes):
        parts = {
            "max_epochs": 3,
            "batch_size": 16,
            "lr": 0.03,
            "optimizer": SparseDenseAdam,
            "schedule": LinearSchedule(),
            "trainer": partial(Trainer, accelerator="cpu", devices=1),
        }
        return Stage(**{**parts, **changes})

    def recipe(self, **changes):
        stage = self.stage(max_epochs=2)
        parts = {
            "graph": RandomWalkGraph(walk_length=40, num_neighbors=4),
            "clustering": BalancedTree(),
            "network": self.network(),
            "shortlister": ShortlisterConfig(num_meta_labels=16, num_neighbors=3, beam_size=6),
            "ranker": RankerConfig(top_k=10),
            "stages": Stages(surrogate=stage, shortlister=replace(stage, lr=0.02), ranker=stage),
            "num_trees": 1,
        }
        return Eclare(**{**parts, **changes})

    def regularization(self, **changes):
        """A regularization with bandit and pruning, whose state a resumed run must restore."""
        parts = {
            "graphs": ["points", "labels"],
            "triplets": TripletLoss(num_negatives=4),
            "regularizer_weight": partial(BanditWeight, every_steps=3),
            "pruning": ScheduledPruning(warmup_epochs=1, every_epochs=2, min_similarity=0.3),
        }
        return GraphRegularization(**{**parts, **changes})

    def dual_network(self, **changes):
        parts = {
            "encoder": partial(BagOfTokens, dim=32),
            "dropout": 0.1,
            "triplets": TripletLoss(num_negatives=4),
            "regularizer": self.regularization(),
            "retrieval": ExactRetrieval(),
        }
        return DualNetwork(**{**parts, **changes})

    def ramen(self, **changes):
        parts = {
            "anchors": LabelAnchors(graph=RandomWalkGraph(walk_length=40, num_neighbors=4), num_anchors=3),
            "positives": ObservedLabels(),
            "network": self.dual_network(),
            "stage": self.stage(),
            "top_k": 10,
        }
        return Ramen(**{**parts, **changes})

    def joint(self, **changes):
        network = self.network(
            encoder=partial(ShiftedSumOfTokens, dim=32),
            fusion=SumFusion,
            refinement=ZeroRefinementVectors,
            token_embeddings=trained_text,
            block=NoBlock,
            likelihood=Softmax(),
        )
        parts = {
            "graph": RandomWalkGraph(walk_length=40, num_neighbors=4),
            "points": CooccurrenceLabelTexts(),
            "negatives": AllLabels(),
            "network": network,
            "stage": self.stage(),
            "top_k": 10,
        }
        return Joint(**{**parts, **changes})

    @cached_property
    def graph(self):
        return RandomWalkGraph(walk_length=40, num_neighbors=4).build(self.data.train.labels, None, 0)

    @cached_property
    def meta_labels(self):
        """Meta-labels of five labels from different topics."""
        return MetaLabels((np.arange(NUM_LABELS) * 3 % 8).astype(np.int32), 8)

    @property
    def labels(self):
        return LabelInputs(self.data.label_features, self.graph)

    def tied_task(self, *, seed: int = 0, **changes) -> XCTask:
        """A task with the parts of the surrogate."""
        torch.manual_seed(seed)
        return self.network(**changes).surrogate.build(self.labels, 0.05)

    def frozen_task(self, *, seed: int = 0, **changes) -> XCTask:
        """A task with the parts of the ranker."""
        trained = self.tied_task(seed=seed, **changes).encoder
        return self.network(**changes).build(self.labels, 0.1, trained)

    def shortlisted(
        self, split: Split, *, beam_size: int = 3, meta_labels: MetaLabels | None = None
    ) -> ShortlistDataset:
        """Shortlist the labels of the meta-labels with the nearest texts."""
        meta_labels = meta_labels or self.meta_labels
        scores = csr_array(split.features @ meta_labels.meta_features(self.data.label_features).T)
        beams, similarity = top_k_rows(scores, beam_size)
        prior = np.where(beams < 0, 0, np.log(similarity.clip(min=1e-3))).astype(np.float32)
        return ShortlistDataset(split, beams, prior, meta_labels.membership())


@pytest.fixture(scope="session")
def toy() -> Toy:
    return Toy()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """The folder of an untrained transformer with 16 numbers per token, for the words w0 to w59."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("tiny-model")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{number}" for number in range(60))]
    (folder / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.BertConfig(vocab_size=len(words), max_position_embeddings=24, **size)
    transformers.BertModel(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def one_thread():
    """Use one thread: on matrices of this size, several threads are slower."""
    before = torch.get_num_threads(), numba.get_num_threads()
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    yield
    torch.set_num_threads(before[0])
    numba.set_num_threads(before[1])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Use one thread in every test: workers run side by side, and the matrices are too small for more."""
    torch.set_num_threads(1)
    numba.set_num_threads(1)


class InterruptionError(Exception):
    """Simulates a killed process."""


class Interrupter:
    """Makes one call of a method raise an error, until :meth:`stop`."""

    def __init__(self) -> None:
        self._monkeypatch = pytest.MonkeyPatch()

    def raise_in(self, owner: type, method: str, *, call: int, error: BaseException | None = None) -> None:
        original, calls = getattr(owner, method), []

        @wraps(unwrap(original))  # Lightning inspects the signature of the wrapped function
        def interrupted(*args, **kwargs):
            calls.append(args)
            if len(calls) == call:
                raise error or InterruptionError(f"{owner.__name__}.{method}, call {call}")
            return original(*args, **kwargs)

        self._monkeypatch.setattr(owner, method, interrupted)

    def stop(self) -> None:
        self._monkeypatch.undo()


@pytest.fixture
def interrupter():
    interrupter = Interrupter()
    yield interrupter
    interrupter.stop()
