"""A predictor loads models and runs, labels points and explains the scores."""

import re
import subprocess
import sys
from dataclasses import replace

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


def test_labels_names_and_scores_agree(predictor):
    found = predictor.predict(["red", {"pear": 1.0}], top_k=3)

    assert len(found) == 2
    for point, predictions in enumerate(found):
        assert [each.label for each in predictions] == found.labels[point].tolist()
        assert [each.score for each in predictions] == found.scores[point].tolist()
        names = [f"label {each.label} ☃" for each in predictions]
        assert [each.name for each in predictions] == names == found.names[point]
        assert sorted(found.scores[point], reverse=True) == found.scores[point].tolist()


def test_labels_without_names_use_their_numbers(trained, toy):
    found = Predictor(trained("eclare")[1]).predict(toy.data.test.features[:2], top_k=2)

    assert found[0][0].name is None
    assert found.names == [[str(label) for label in row] for row in found.labels.tolist()]


def test_padding_is_left_out_of_the_predictions(trained, toy):
    """A small beam finds fewer labels than requested."""
    _, model = trained("no_game")
    found = Predictor(model).predict(toy.data.test.features, top_k=10)

    for point, predictions in enumerate(found):
        assert len(predictions) == (found.labels[point] >= 0).sum()


@pytest.mark.parametrize("top_k", [0, 15, -1])
def test_top_k_out_of_range_is_refused(predictor, top_k):
    with pytest.raises(UserError, match=rf"^top_k: .* 1 to 14\b.* found {top_k}\."):
        predictor.predict(["red"], top_k=top_k)


@pytest.mark.parametrize("explain", [False, True])
def test_points_without_a_known_token_are_flagged_and_labelled(predictor, explain):
    found = predictor.predict(["red", "🍏", {"unknown": 1.0}, {"pear": 1.0}], top_k=3, explain=explain)

    assert found.known.tolist() == [True, False, False, True]
    assert all(len(predictions) == 3 for predictions in found)


def test_repr_shows_predictions_and_not_all_label_names(predictor):
    found = predictor.predict(["red", "🍏"] * 8, top_k=6)

    header, first, second, *_, last = repr(found).splitlines()

    assert header == "Predictions of 16 points, top 6:"
    best = found[0][0]
    assert first.startswith(f"  0: {best.name} ({best.score:.3g}), ")
    assert (first.count("☃"), first[-1]) == (5, "…")
    assert second.startswith("  1: [no known token] label ")
    assert last == "  … and 6 more"
    assert len(repr(found)) < 2500


def test_repr_shortens_long_names_and_shows_numbers_without_names(predictor, trained, toy):
    long = replace(predictor.model, label_names=tuple("x" * 500 for _ in predictor.model.label_names))
    nameless = Predictor(trained("eclare")[1]).predict(toy.data.test.features[:1], top_k=1)

    assert len(repr(Predictor(long).predict(["red"]))) < 400
    assert repr(nameless).splitlines()[1].startswith(f"  0: {nameless[0][0].label} (")


@pytest.mark.parametrize("kind", KINDS)
def test_explanation_adds_up_to_the_score(kind, trained, toy):
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


def test_empty_input_gives_empty_predictions(predictor):
    assert len(predictor.predict([], explain=True)) == len(predictor.predict([])) == 0
    assert repr(predictor.predict([])) == "Predictions of 0 points, top 5:"


def test_model_folder_loads_without_training_packages(trained, tmp_path):
    save_model(with_words(trained("eclare")[1], Words), tmp_path / "model")
    code = (
        "import sys, xcgraph\n"
        f"found = xcgraph.Predictor.load({str(tmp_path / 'model')!r}).predict(['red'])\n"
        "assert len(found[0]) == 5\n"
        "print([name for name in ('pytorch_lightning', 'hydra', 'torch_geometric') if name in sys.modules])"
    )

    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert output.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("files", "path", "found"),
    [
        ([], "nothing", "nothing at this path"),
        ([], "", "an empty folder"),
        (["a.txt"], "a.txt", "a file"),
        (["m/model.json"], "m/model.json", r"a file; give its folder, .*m\."),
        (["b.txt", "a.txt"], "", r"a folder with a\.txt, b\.txt\."),
        (["1", "2", "3", "4", "5"], "", "a folder with 1, 2, 3 and 2 more"),
        (["trn_X.txt", "Y.txt"], "", r"a dataset folder \(it has trn_X\.txt\).* xcgraph-train"),
        (["trn.json"], "", r"a dataset folder \(it has trn\.json\)"),
        (["weights.safetensors", "label_names.json"], "", r"a model folder without its model\.json"),
        (
            ["s/b/metrics.json", "s/a/metrics.json"],
            "",
            r"a folder that contains models or runs; .* such as .*s.a\.",
        ),
    ],
)
def test_other_path_is_refused_with_what_it_is(files, path, found, tmp_path):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    expected = "expected a model folder of xcgraph-export or a run folder of xcgraph-train; found "
    with pytest.raises(UserError, match=expected + found):
        Predictor.load(tmp_path / path)


def test_unfinished_run_is_refused_as_such(tmp_path):
    (tmp_path / "config.yaml").touch()

    with pytest.raises(UserError, match=r"expected a finished run, .* unfinished: .* metrics\.json"):
        Predictor.load(tmp_path)


def test_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))

    with pytest.raises(UserError, match=f"^{re.escape(str(tmp_path))}.model: "):
        Predictor.load("~/model")


def test_predictor_is_a_public_name():
    assert xcgraph.Predictor is Predictor
    with pytest.raises(AttributeError, match="no attribute 'Prediktor'"):
        _ = xcgraph.Prediktor
