"""A recipe with a transformer as its encoder, from texts to scores."""

from functools import partial

import numpy as np
import pytest

from xcgraph.data.from_texts import LabelledTexts, from_texts
from xcgraph.errors import UserError
from xcgraph.graph.base import IdentityGraph
from xcgraph.metrics.evaluate import evaluate_scores
from xcgraph.nn.transformer import TransformerEncoder
from xcgraph.recipes.anchors import MetadataAnchors
from xcgraph.text.token_ids import TokenIdVectorizer

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice


@pytest.fixture
def data(tiny_model):
    """The text of a point contains the words of its two labels and other words."""
    rng = np.random.default_rng(0)

    def points(count):
        labels = [rng.choice(20, 2, replace=False).tolist() for _ in range(count)]
        texts = [" ".join(f"w{n}" for n in (*own, *rng.integers(20, 60, 2))) for own in labels]
        return LabelledTexts(texts, labels)

    label_texts = [f"w{number}" for number in range(20)]
    text = TokenIdVectorizer(model=tiny_model, max_length=8)
    return from_texts(points(300), points(50), name="words", label_texts=label_texts, text=text)


@pytest.fixture
def recipe(toy, tiny_model):
    network = toy.dual_network(encoder=partial(TransformerEncoder, model=tiny_model), dropout=0.0)
    return toy.ramen(network=network, stage=toy.stage(max_epochs=6, lr=0.003, batch_size=32))


def test_end_to_end(toy, data, recipe, tmp_path):
    scores = recipe.fit(toy.workspace(tmp_path, data=data)).score(data.test.features)
    assert evaluate_scores(scores, data.test, inverse_propensity=None)["P@1"] > 0.4  # chance: 0.1


def test_recipes_that_sum_texts_refuse_a_transformer(toy, tiny_model, recipe):
    encoder = partial(TransformerEncoder, model=tiny_model)
    with pytest.raises(UserError, match="TransformerEncoder cannot embed"):
        toy.recipe(network=toy.network(encoder=encoder)).check(40)
    anchors = MetadataAnchors(graphs=None, walks=IdentityGraph())
    with pytest.raises(UserError, match=r"anchors=metadata: .* a sum of texts, .* anchors=label_graph"):
        toy.ramen(network=recipe.network, anchors=anchors).check(40)
