"""The ten lines of README on a table of a few hundred rows, and the forms of input that people have."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import xcgraph
from xcgraph.errors import UserError

LABELS = {
    "L17": ("bamboo cutting board", "board bread cut bamboo kitchen wood"),
    "L2": ("red apple", "apple fruit red sweet eat"),
    "L3": ("desk lamp", "lamp light desk bulb bright"),
    "L5": ("kitchen knife", "knife cut sharp steel kitchen"),
}
QUICK = {"progress": "quiet", "overrides": ["num_threads=1", "stages.joint.max_epochs=8", "recipe.top_k=4"]}


def make_points(count, seed=0):
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(count):
        own = sorted(rng.choice(list(LABELS), rng.integers(1, 3), replace=False).tolist())
        words = [word for label in own for word in rng.choice(LABELS[label][1].split(), 3, replace=False)]
        texts.append(" ".join(words))
        labels.append(own)
    return texts, labels


TEXTS, ROWS = make_points(200)
LABEL_TEXTS = {label: text for label, (text, _) in LABELS.items()}


@pytest.fixture(scope="module")
def model():
    return xcgraph.fit(TEXTS, ROWS, label_texts=LABEL_TEXTS, **QUICK)


def test_predictions_have_the_ids_and_names_of_the_user(model):
    (found,) = model.predict(["a board to cut bread"], top_k=2)
    assert found[0].id == "L17"
    assert found[0].name == "bamboo cutting board"
    assert 0 <= found[1].score <= found[0].score <= 1
    assert 0 <= found[0].probability <= 1


def test_metrics_of_other_points(model):
    metrics = model.evaluate(*make_points(60, seed=1))
    assert set(metrics) == {f"{name}@{k}" for name in ("P", "nDCG", "PSP", "PSnDCG", "R") for k in (1, 3, 5)}
    assert metrics["P@1"] > 0.7


def test_unknown_labels_are_left_out_of_the_metrics(model, caplog):
    model.evaluate(["a red apple", "a lamp"], [["L2", "new"], ["L3"]])
    assert "1 labels" in caplog.text


def test_saved_model_is_loaded_equal(model, tmp_path):
    model.save(tmp_path / "model")
    loaded = xcgraph.load(tmp_path / "model")
    before, after = (each.predict(TEXTS[:9], top_k=3) for each in (model, loaded))
    assert before.ids == after.ids
    assert (before.probabilities == after.probabilities).all()
    assert loaded.threshold(0.5) == model.threshold(0.5)
    assert loaded.evaluate(TEXTS[:50], ROWS[:50]) == model.evaluate(TEXTS[:50], ROWS[:50])


def test_labels_below_a_probability_are_left_out(model):
    found = model.predict(TEXTS[:20], top_k=4)
    above = model.predict(TEXTS[:20], top_k=4, min_probability=0.5)
    assert above.ids == [[each.id for each in point if each.probability >= 0.5] for point in found]
    scored = model.predict(TEXTS[:20], top_k=4, min_score=0.3)
    assert scored.ids == [[each.id for each in point if each.score >= 0.3] for point in found]


NUMBERS = [[list(LABELS).index(label) for label in row] for row in ROWS]
INDICATORS = np.array([[int(column in row) for column in range(4)] for row in NUMBERS])


@pytest.mark.parametrize(
    ("texts", "labels", "label_texts", "best"),
    [
        (pd.Series(TEXTS), pd.Series(NUMBERS), list(LABEL_TEXTS.values()), 0),
        (np.array(TEXTS), INDICATORS, list(LABEL_TEXTS.values()), 0),
        (TEXTS, csr_array(INDICATORS), list(LABEL_TEXTS.values()), 0),
        (TEXTS, pd.DataFrame(INDICATORS, columns=list(LABELS)), LABEL_TEXTS, "L17"),
    ],
    ids=["pandas", "indicators", "sparse", "frame"],
)
def test_forms_of_input(texts, labels, label_texts, best):
    model = xcgraph.fit(texts, labels, label_texts=label_texts, **QUICK)
    assert model.predict(["a bamboo board to cut bread"], top_k=1).ids == [[best]]


def test_run_folder_is_kept_and_can_be_loaded(tmp_path):
    folder = tmp_path / "run"
    model = xcgraph.fit(TEXTS, ROWS, validation=make_points(30, seed=2), folder=folder, **QUICK)
    assert {"metrics.json", "config.yaml", "run.json", "stages"} <= {path.name for path in folder.iterdir()}
    loaded = xcgraph.load(folder)
    assert loaded.predict(TEXTS[:5], top_k=3).ids == model.predict(TEXTS[:5], top_k=3).ids


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"labels": ROWS[:-1]}, "200 rows.*199"),
        ({"texts": "one text"}, "texts: expected a list"),
        ({"texts": [], "labels": []}, "texts: expected at least one point"),
        ({"recipe": "jiont"}, "jiont.*joint"),
        ({"overrides": ["num_trees=5"]}, "joint.*num_trees"),
        ({"validation": 1}, "validation: expected a share or a pair.*1"),
        ({"validation": [TEXTS, ROWS]}, "validation: expected a share or a pair"),
        ({"overrides": ["hops=two"]}, "hops.*two"),
        ({"label_texts": {"L17": "board"}}, "label_texts: no text for 3 labels"),
    ],
)
def test_wrong_argument_is_refused(changes, expected):
    arguments = {"texts": TEXTS, "labels": ROWS, "progress": "quiet", **changes}
    with pytest.raises(UserError, match=f"(?s){expected}"):
        xcgraph.fit(arguments.pop("texts"), arguments.pop("labels"), **arguments)


def test_folder_with_files_is_refused(tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UserError, match=f"folder={tmp_path}"):
        xcgraph.fit(TEXTS, ROWS, folder=tmp_path, progress="quiet")


def test_refused_training_leaves_no_folder(tmp_path):
    with pytest.raises(UserError, match="hops"):
        xcgraph.fit(TEXTS, ROWS, folder=tmp_path / "run", overrides=["hops=two"], progress="quiet")
    assert not (tmp_path / "run").exists()


def test_estimator_of_scikit_learn():
    estimator = xcgraph.Classifier(overrides=QUICK["overrides"][:1], epochs=2, top_k=2)
    assert clone(estimator).get_params() == estimator.get_params()
    grid = {"recipe": ["joint"], "epochs": [1, 6], "learning_rate": [0.005]}
    search = GridSearchCV(estimator, grid, cv=2, error_score="raise")
    search.fit(np.array(TEXTS), np.array([row[0] for row in ROWS]))
    assert search.best_params_["epochs"] == 6
    assert len(search.predict(["a red apple"])[0]) == 2
    assert search.best_estimator_.predict_proba(["a red apple"]).argmax() == 1
