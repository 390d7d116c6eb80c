"""Load, ask, and be told why."""

import subprocess
import sys

import numpy as np
import pytest

import xcgraph
from xcgraph.errors import UserError
from xcgraph.predict.folder import save_model
from xcgraph.predict.predictor import Predictor

from .conftest import KINDS
from .test_folder import with_words
from .test_inputs import Words


@pytest.fixture(scope="module")
def predictor(trained):
    return Predictor(with_words(trained("three_trees")[1], Words))


def test_names_numbers_and_scores_belong_together(predictor):
    found = predictor.predict(["red", {"pear": 1.0}], top_k=3)

    assert len(found) == 2
    for point, predictions in enumerate(found):
        assert [each.label for each in predictions] == found.labels[point].tolist()
        assert [each.score for each in predictions] == found.scores[point].tolist()
        names = [f"label {each.label} ☃" for each in predictions]
        assert [each.name for each in predictions] == names == found.names[point]
        assert sorted(found.scores[point], reverse=True) == found.scores[point].tolist()


def test_labels_without_names_are_numbers(trained, toy):
    found = Predictor(trained("eclare")[1]).predict(toy.data.test.features[:2], top_k=2)

    assert found[0][0].name is None
    assert found.names == [[str(label) for label in row] for row in found.labels.tolist()]


def test_fewer_labels_than_asked_for_are_left_out(trained, toy):
    """One meta-label's members are all that a beam of one can bring."""
    _, model = trained("no_game")
    found = Predictor(model).predict(toy.data.test.features, top_k=10)

    for point, predictions in enumerate(found):
        assert len(predictions) == (found.labels[point] >= 0).sum()


@pytest.mark.parametrize("top_k", [0, 15, -1])
def test_more_labels_than_the_model_keeps_are_refused(predictor, top_k):
    with pytest.raises(UserError, match=rf"top_k: expected 1 to 14, as the model keeps, found {top_k}"):
        predictor.predict(["red"], top_k=top_k)


@pytest.mark.parametrize("kind", KINDS)
def test_an_explanation_adds_up_to_the_score(kind, trained, toy):
    _, model = trained(kind)
    predictor, points = Predictor(model), toy.data.test.features[:12]
    plain = predictor.predict(points, top_k=6)

    explained = predictor.predict(points, top_k=6, explain=True)

    np.testing.assert_array_equal(explained.labels, plain.labels)
    np.testing.assert_allclose(explained.scores, plain.scores, atol=1e-6)
    neighbours = 0
    for predictions in explained:
        for found in predictions:
            paths = found.paths
            assert len(paths) == len(model.trees)
            assert np.mean([path.label.score for path in paths]) == pytest.approx(found.score, rel=1e-4)
            for path, tree in zip(paths, model.trees, strict=True):
                for step in (path.label, path.meta):
                    if step is not None and step.score:
                        added = sum(neighbour.adds for neighbour in step.neighbours)
                        assert step.kept + added == pytest.approx(step.score, rel=1e-4)
                        neighbours += len(step.neighbours)
                if path.probability is not None:
                    assert path.label.own == pytest.approx(path.meta.score * path.probability, rel=1e-4)
                    assert tree.members.toarray()[path.meta_label, found.label] == 1
                if path.views:
                    assert sum(path.views.values()) == pytest.approx(1, abs=1e-4)
    assert (neighbours > 0) == (kind not in ("no_game", "ramen", "joint"))


def test_nothing_to_predict_is_no_error(predictor):
    assert len(predictor.predict([], explain=True)) == len(predictor.predict([])) == 0


def test_a_model_folder_is_loaded_without_what_trains(trained, tmp_path):
    save_model(with_words(trained("eclare")[1], Words), tmp_path / "model")
    code = (
        "import sys, xcgraph\n"
        f"found = xcgraph.Predictor.load({str(tmp_path / 'model')!r}).predict(['red'])\n"
        "assert len(found[0]) == 5\n"
        "print([name for name in ('pytorch_lightning', 'hydra', 'torch_geometric') if name in sys.modules])"
    )

    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert output.stdout.strip() == "[]"


def test_a_folder_that_is_neither_is_refused(tmp_path):
    with pytest.raises(UserError, match="expected the folder of a model or of a run, found none"):
        Predictor.load(tmp_path / "nothing")
    with pytest.raises(UserError, match="expected the folder of a model or of a finished run: unfinished"):
        Predictor.load(tmp_path)


def test_predictor_is_at_the_top():
    assert xcgraph.Predictor is Predictor
    with pytest.raises(AttributeError, match="no attribute 'Prediktor'"):
        _ = xcgraph.Prediktor
