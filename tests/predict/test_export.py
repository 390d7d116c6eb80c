"""Every trained model describes itself for export; models that cannot be exported are refused by name."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.sparse import csr_array

from xcgraph.errors import UserError
from xcgraph.nn.encoder import BagOfTokens, ShiftedSumOfTokens, SumOfTokens
from xcgraph.nn.fusion import AttentionFusion
from xcgraph.nn.likelihood import Logistic, Softmax
from xcgraph.nn.transformer import TransformerEncoder
from xcgraph.predict.engine import Engine
from xcgraph.predict.export import portable
from xcgraph.recipes.models import Ensemble, Ranker, RankerConfig, Retriever, Tree
from xcgraph.recipes.portable import Scoring
from xcgraph.sparse import top_k_rows

pytestmark = pytest.mark.usefixtures("one_thread")


def make_retriever(toy, **changes):
    """A model of all labels with weights as they start."""
    task = toy.joint(network=replace(toy.joint().network, **changes)).network.build(toy.labels, 0.1)
    stage = toy.stage(matmul_precision="highest")
    return Retriever(task=task.eval(), stage=stage, num_labels=40, top_k=10)


@pytest.mark.parametrize("encoder", [SumOfTokens, ShiftedSumOfTokens, BagOfTokens])
@pytest.mark.parametrize("likelihood", [Logistic(), Softmax()], ids=["logistic", "softmax"])
def test_any_encoder_and_likelihood_keep_their_scores(toy, encoder, likelihood):
    model = make_retriever(toy, encoder=partial(encoder, dim=32), likelihood=likelihood)
    features = toy.data.test.features
    _, expected = top_k_rows(model.score(features), 5)

    found = Engine(portable(model, toy.data)).top(features, 5)

    np.testing.assert_allclose(found.scores, expected, atol=2e-6)


def test_models_of_all_labels_have_view_shares_too(toy):
    (member,) = portable(make_retriever(toy, fusion=AttentionFusion), toy.data).trees
    assert member.views == ("text", "graph", "refinement")
    np.testing.assert_allclose(member.shares.sum(axis=1), 1, rtol=1e-5)


def test_ranker_that_is_not_logistic_is_refused(toy):
    task = toy.frozen_task(likelihood=Softmax())
    ranker = Ranker(task=task, stage=toy.stage(), graph=toy.graph, config=RankerConfig(top_k=5))
    with pytest.raises(UserError, match=r"likelihood: .*logistic, found softmax"):
        ranker.portable()


class OwnShortlister:
    """A shortlister without a portable form."""

    members = csr_array(np.ones((1, 40), np.float32))

    def beams(self, features):
        raise NotImplementedError


class OwnModel:
    """A model without a portable form."""

    top_k = 3

    def score(self, features):
        raise NotImplementedError


@pytest.mark.parametrize("model", [OwnModel(), Ensemble((OwnModel(),))], ids=["alone", "in an ensemble"])
def test_model_without_a_form_is_refused_by_name(toy, model):
    with pytest.raises(UserError, match=r"OwnModel has no portable form.*method portable"):
        portable(model, toy.data)


def test_shortlister_without_a_form_is_refused_by_name(toy):
    ranker = Ranker(task=toy.frozen_task(), stage=toy.stage(), graph=toy.graph, config=RankerConfig(top_k=5))
    with pytest.raises(UserError, match=r"OwnShortlister has no portable form.*method portable"):
        portable(Tree(OwnShortlister(), ranker), toy.data)


def test_transformer_is_refused_by_name(tiny_model):
    encoder = TransformerEncoder(8, model=tiny_model)
    for form in (encoder.portable, encoder.portable_embedding):
        with pytest.raises(
            UserError, match=r"TransformerEncoder has no portable form.*encoder=bag_of_tokens"
        ):
            form()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"graph": csr_array((2, 3), dtype=np.float32)}, r"graph: expected shape \(40, 40\), found \(2, 3\)"),
        ({"game_mix": 1.5}, r"game_mix: .*found 1\.5"),
        ({"top_k": 0}, r"top_k: expected 1 to 40, found 0"),
        ({"top_k": 41}, r"top_k: expected 1 to 40, found 41"),
    ],
    ids=["graph", "game_mix", "no labels", "too many labels"],
)
def test_scorings_out_of_range_are_refused(toy, changes, message):
    scorer = make_retriever(toy).task.scoring()
    with pytest.raises(ValueError, match=message):
        Scoring.of(scorer, **{"graph": toy.graph, "game_mix": 0.5, "top_k": 5, **changes})
