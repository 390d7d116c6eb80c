import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.calibration import calibration_curve

from xcgraph.errors import UserError
from xcgraph.metrics.calibration import (
    METHODS,
    Calibration,
    Predicted,
    expected_calibration_error,
    fit_calibration,
    predicted_pairs,
    reliability_bins,
)

NUM_LABELS = 40
FREQUENCIES = np.arange(NUM_LABELS)


def overconfident(pairs, seed):
    """Scores whose square is the probability of a hit."""
    rng = np.random.default_rng(seed)
    scores = rng.random(pairs)
    return Predicted(rng.integers(NUM_LABELS, size=pairs), scores, rng.random(pairs) < scores**2)


def error(calibration, predicted):
    return expected_calibration_error(calibration(predicted.labels, predicted.scores), predicted.hits)


def test_pairs_are_the_best_labels_and_their_hits():
    scores = csr_array(np.array([[0.1, 0.9, 0.5], [0, 0, 0.2]]))
    labels = csr_array(np.array([[0, 1, 0], [1, 0, 0]]))
    found = predicted_pairs(scores, labels, top_k=2)
    assert found.labels.tolist() == [1, 2, 2]
    assert found.scores == pytest.approx([0.9, 0.5, 0.2])
    assert found.hits.tolist() == [True, False, False]


@pytest.mark.parametrize("method", METHODS)
def test_calibration_lowers_the_error_on_other_points(method):
    fitted = fit_calibration(overconfident(8000, 0), FREQUENCIES, method)
    other = overconfident(8000, 1)
    raw = expected_calibration_error(other.scores, other.hits)
    assert raw > 0.1
    assert error(fitted, other) < 0.4 * raw


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pairs", [1, 3, 50, 2000])
def test_probabilities_never_fall_with_the_score(method, pairs):
    fitted = fit_calibration(overconfident(pairs, 3), FREQUENCIES, method)
    scores = np.linspace(0, 1, 200)
    for label in (0, NUM_LABELS - 1):
        values = fitted(np.full(200, label), scores)
        assert (np.diff(values) >= 0).all()
        assert (values >= 0).all()
        assert (values <= 1).all()


def test_groups_of_labels_have_their_own_curves():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(NUM_LABELS, size=20000), rng.random(20000)
    hits = rng.random(20000) < np.where(FREQUENCIES[labels] > 19, scores, scores / 4)
    fitted = fit_calibration(Predicted(labels, scores, hits), FREQUENCIES, "by_frequency")
    rare, frequent = fitted(np.array([10, 30]), np.array([0.8, 0.8]))
    assert rare == pytest.approx(0.2, abs=0.1)
    assert frequent == pytest.approx(0.8, abs=0.1)


def test_reliability_bins_agree_with_scikit_learn():
    predicted = overconfident(500, 5)
    counts, mean, share = reliability_bins(predicted.scores, predicted.hits, 10)
    expected_share, expected_mean = calibration_curve(predicted.hits, predicted.scores, n_bins=10)
    assert mean[counts > 0] == pytest.approx(expected_mean)
    assert share[counts > 0] == pytest.approx(expected_share)


def test_threshold_reaches_the_precision_and_no_lower_one_does():
    predicted = overconfident(900, 7)
    fitted = fit_calibration(predicted, FREQUENCIES, "sigmoid")
    probabilities = fitted(predicted.labels, predicted.scores)
    threshold = fitted.threshold(0.8)
    assert predicted.hits[probabilities >= threshold].mean() >= 0.8
    lower = np.unique(probabilities[probabilities < threshold])
    assert all(predicted.hits[probabilities >= other].mean() < 0.8 for other in lower)


def test_no_threshold_reaches_a_precision_that_is_too_high():
    predicted = Predicted(np.array([0, 1, 2]), np.array([0.5, 0.5, 0.5]), np.array([True, False, False]))
    assert fit_calibration(predicted, FREQUENCIES, "sigmoid").threshold(0.9) is None


@pytest.mark.parametrize("precision", [0.0, 1.5])
def test_impossible_precision_is_refused(precision):
    with pytest.raises(UserError, match=f"precision.*{precision}"):
        fit_calibration(overconfident(50, 0), FREQUENCIES).threshold(precision)


def test_saved_calibration_is_read_back(tmp_path):
    fitted = fit_calibration(overconfident(5000, 0), FREQUENCIES, "by_frequency")
    fitted.save(tmp_path / "calibration.npz")
    found = Calibration.load(tmp_path / "calibration.npz")
    labels, scores = np.arange(NUM_LABELS), np.linspace(0, 1, NUM_LABELS)
    assert (found(labels, scores) == fitted(labels, scores)).all()
    assert found.threshold(0.5) == fitted.threshold(0.5)


def test_unknown_method_and_no_predictions_are_refused():
    with pytest.raises(UserError, match=r"calibration.*isotonic.*magic"):
        fit_calibration(overconfident(9, 0), FREQUENCIES, "magic")
    with pytest.raises(UserError, match=r"validation\.fraction"):
        fit_calibration(overconfident(0, 0), FREQUENCIES)
