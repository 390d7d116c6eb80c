import copy
import math
import re

import napkinxc.metrics as napkinxc
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xcgraph.batch import LabelSets
from xcgraph.errors import UserError
from xcgraph.metrics.xc_metrics import XCMetrics


def label_sets(rows):
    offsets = np.cumsum([0, *map(len, rows)])
    return LabelSets(torch.tensor([i for row in rows for i in row], dtype=torch.int64), torch.tensor(offsets))


def ranked(rows):
    width = max(map(len, rows), default=0)
    return torch.tensor([[*row, *[-1] * (width - len(row))] for row in rows]).reshape(len(rows), width).long()


def measure(predictions, true_lists, weights, k, **kwargs):
    metrics = XCMetrics(len(weights), range(1, k + 1), torch.tensor(weights, dtype=torch.float64))
    metrics.update(ranked(predictions), label_sets(true_lists), **kwargs)
    return {name: value.item() for name, value in metrics.compute().items()}


def measure_slowly(predictions, true_lists, weights, k):
    """Compute the metrics from their definitions in plain Python, ideal rankings like any other ranking."""
    values = {}
    for r in range(1, k + 1):
        sums = dict.fromkeys(["P", "nDCG", "R", "PSP", "best PSP", "PSnDCG", "best PSnDCG"], 0.0)
        for ids, true_labels in zip(predictions, true_lists, strict=True):
            hits = [(rank, label) for rank, label in enumerate(ids[:r], 1) if label in set(true_labels)]
            hits = [(rank, label) for rank, label in hits if label not in ids[: rank - 1]]
            best = list(enumerate(sorted(true_labels, key=lambda label: -weights[label])[:r], 1))
            ideal = sum(1 / math.log2(rank + 1) for rank, _ in best) or 1.0
            sums["P"] += len(hits) / r
            sums["nDCG"] += sum(1 / math.log2(rank + 1) for rank, _ in hits) / ideal
            sums["R"] += len(hits) / len(true_labels) if true_labels else 0.0
            for part, labels in (("", hits), ("best ", best)):
                sums[f"{part}PSP"] += sum(weights[label] for _, label in labels) / r
                sums[f"{part}PSnDCG"] += (
                    sum(weights[label] / math.log2(rank + 1) for rank, label in labels) / ideal
                )
        values |= {f"{name}@{r}": sums[name] / len(true_lists) for name in ("P", "nDCG", "R")}
        for name in ("PSP", "PSnDCG"):
            values[f"{name}@{r}"] = sums[name] / sums[f"best {name}"] if sums[f"best {name}"] else 0.0
    return values


def measure_with_napkinxc(predictions, true_lists, weights, k):
    weights = np.array(weights)
    at_k = {
        "P": napkinxc.precision_at_k(true_lists, predictions, k),
        "nDCG": napkinxc.ndcg_at_k(true_lists, predictions, k),
        "R": napkinxc.recall_at_k(true_lists, predictions, k),
        "PSP": napkinxc.psprecision_at_k(true_lists, predictions, weights, k),
        "PSnDCG": napkinxc.psndcg_at_k(true_lists, predictions, weights, k),
    }
    return {f"{name}@{r}": values[r - 1] for name, values in at_k.items() for r in range(1, k + 1)}


def random_case(num_labels, density, rows=60, seed=0):
    """Return random rows of all lengths, also empty ones; about half of the true labels rank high."""
    rng = np.random.default_rng(seed)
    predictions, true_lists = [], []
    for _ in range(rows):
        true_labels = np.flatnonzero(rng.random(num_labels) < density * 2 * rng.random()).tolist()
        scores = rng.random(num_labels) + np.isin(np.arange(num_labels), true_labels) * (
            rng.random(num_labels) < 0.5
        )
        predictions.append(np.argsort(-scores)[: rng.integers(0, 12)].tolist())
        true_lists.append(true_labels)
    return predictions, true_lists, (1 + 10 * rng.random(num_labels)).tolist()


@pytest.mark.parametrize("num_labels", [1, 2, 10, 300])
@pytest.mark.parametrize("k", [1, 3, 5, 15])
@pytest.mark.parametrize("density", [0.01, 0.2, 0.9])
def test_metrics_match_napkinxc_and_the_definitions(num_labels, k, density):
    predictions, true_lists, weights = random_case(num_labels, density)
    if not any(true_lists):
        true_lists[0] = [0]
    found = measure(predictions, true_lists, weights, k)
    assert found == pytest.approx(measure_with_napkinxc(predictions, true_lists, weights, k), abs=1e-12)
    assert found == pytest.approx(measure_slowly(predictions, true_lists, weights, k), abs=1e-12)


@pytest.mark.parametrize(
    ("predictions", "true_lists"),
    [
        pytest.param([[0, 1], [2, 3]], [[], [3]], id="a row without labels"),
        pytest.param([[1], [2, 0, 3], []], [[1, 2], [0], [3]], id="fewer than k predictions"),
        pytest.param([[], []], [[1, 2], [0]], id="no predictions at all"),
        pytest.param([[0, 1, 2, 3]] * 2, [[0, 1, 2, 3], [3]], id="k above the number of labels"),
        pytest.param([[-1, 1, -1, 2]], [[2, 1]], id="holes inside a ranking"),
        pytest.param([[3, 2, 1, 0]], [[0, 3]], id="one row"),
    ],
)
def test_unusual_rows_match_napkinxc_and_the_definitions(predictions, true_lists):
    weights = [1.0, 2.5, 4.0, 9.0]
    found = measure(predictions, true_lists, weights, 6)
    assert found == pytest.approx(measure_with_napkinxc(predictions, true_lists, weights, 6), abs=1e-12)
    assert found == pytest.approx(measure_slowly(predictions, true_lists, weights, 6), abs=1e-12)


def test_repeated_predictions_hit_once_unlike_in_napkinxc():
    # napkinxc looks up each rank separately. A repeated true label is another hit there, and R exceeds 1.
    predictions, true_lists, weights = [[1, 1, 1], [0, 2, 0]], [[1], [0, 2]], [1.0, 2.0, 3.0]
    assert measure_with_napkinxc(predictions, true_lists, weights, 3)["R@3"] == (3 + 3 / 2) / 2
    found = measure(predictions, true_lists, weights, 3)
    assert found["R@3"] == 1
    assert found["P@3"] == pytest.approx((1 / 3 + 2 / 3) / 2)
    assert found == pytest.approx(measure_slowly(predictions, true_lists, weights, 3))


def test_metrics_without_true_labels_are_zero_unlike_in_napkinxc():
    # If no row has a label, napkinxc divides 0 by 0 and its PSP is NaN. Ours is 0, as no gain was possible.
    with np.errstate(invalid="ignore"):
        theirs = measure_with_napkinxc([[0], [1]], [[], []], [1.0, 2.0], 2)
    assert math.isnan(theirs["PSP@1"])
    assert math.isnan(theirs["PSnDCG@2"])
    assert set(measure([[0], [1]], [[], []], [1.0, 2.0], 2).values()) == {0.0}


@settings(deadline=None)
@given(st.data())
def test_metrics_match_the_definitions_on_generated_rows(data):
    num_labels, k, rows = data.draw(st.tuples(st.integers(1, 6), st.integers(1, 8), st.integers(1, 5)))
    labels = st.integers(0, num_labels - 1)
    per_row = {"min_size": rows, "max_size": rows}
    predictions = data.draw(st.lists(st.lists(st.integers(-1, num_labels - 1), max_size=8), **per_row))
    true_lists = data.draw(st.lists(st.lists(labels, unique=True), **per_row))
    weights = data.draw(st.lists(st.floats(1, 100), min_size=num_labels, max_size=num_labels))
    found = measure(predictions, true_lists, weights, k)
    assert found == pytest.approx(measure_slowly(predictions, true_lists, weights, k), abs=1e-9)
    assert all(0 <= value <= 1 + 1e-9 for value in found.values())


def test_metrics_match_example_by_hand():
    found = measure([[2, 1, 0], [0, 1]], [[0, 2], [1]], weights=[1.0, 2.0, 4.0], k=3)
    second = 1 / math.log2(3)
    assert found["P@1"] == 1 / 2
    assert found["P@3"] == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert found["R@2"] == (1 / 2 + 1) / 2
    assert found["nDCG@2"] == pytest.approx((1 / (1 + second) + second) / 2)
    assert found["PSP@1"] == pytest.approx((4 + 0) / (4 + 2))  # the mean of ratios would be (1 + 0) / 2
    assert found["PSP@2"] == pytest.approx((4 + 2) / ((4 + 1) + 2))
    assert found["PSP@3"] == pytest.approx(1)
    best = (4 + second) / (1 + second) + 2
    assert found["PSnDCG@2"] == pytest.approx((4 / (1 + second) + 2 * second) / best)


def test_filtered_labels_are_removed_before_the_first_k_are_selected():
    predictions, true_lists = [[3, 1, 0, 2], [1, 2, 3, 0]], [[0, 3], [2]]
    found = measure(predictions, true_lists, [1.0] * 4, 2, filtered=label_sets([[3, 1], []]))
    # True labels are not filtered: R and the ideal rankings count them.
    assert found == pytest.approx(measure_slowly([[0, 2], [1, 2]], true_lists, [1.0] * 4, 2))
    assert found["P@1"] == 1 / 2
    assert found["R@2"] == (1 / 2 + 1) / 2


def test_names_and_order_of_the_values():
    metrics = XCMetrics(4, (1, 10), torch.ones(4))
    metrics.update(torch.tensor([[0]]), label_sets([[0]]))
    names = ["P@1", "P@10", "nDCG@1", "nDCG@10", "PSP@1", "PSP@10", "PSnDCG@1", "PSnDCG@10", "R@1", "R@10"]
    assert list(metrics.compute()) == names
    assert all(value.shape == () for value in metrics.compute().values())


def test_no_inverse_propensity_omits_propensity_scored_metrics():
    metrics = XCMetrics(4, 3)
    metrics.update(torch.tensor([[0, 2, 1]]), label_sets([[0]]))
    found = metrics.compute()
    assert list(found) == ["P@3", "nDCG@3", "R@3"]
    assert found["P@3"].item() == pytest.approx(1 / 3)


@pytest.mark.parametrize("sizes", [(60,), (1,) * 60, (0, 17, 43, 0)])
def test_batches_add_up_to_one_update(sizes):
    predictions, true_lists, weights = random_case(40, 0.1)
    metrics = XCMetrics(40, range(1, 6), torch.tensor(weights))
    start = 0
    for size in sizes:
        batch = slice(start, start := start + size)
        metrics.update(ranked(predictions[batch]), label_sets(true_lists[batch]))
    found = {name: value.item() for name, value in metrics.compute().items()}
    assert found == pytest.approx(measure(predictions, true_lists, weights, 5), abs=1e-7)


@pytest.mark.parametrize("merge", ["merge_state", "reduce across processes"])
def test_two_halves_merge_into_one(merge):
    predictions, true_lists, weights = random_case(40, 0.1)
    halves = [XCMetrics(40, range(1, 6), torch.tensor(weights, dtype=torch.float64)) for _ in range(2)]
    for metrics, part in zip(halves, (slice(0, 13), slice(13, 60)), strict=True):
        metrics.update(ranked(predictions[part]), label_sets(true_lists[part]))
    if merge == "merge_state":
        halves[0].merge_state(halves[1])
    else:
        for name, reduce in halves[0]._reductions.items():
            setattr(halves[0], name, reduce(torch.stack([getattr(half, name) for half in halves])))
    found = {name: value.item() for name, value in halves[0].compute().items()}
    assert found == pytest.approx(measure(predictions, true_lists, weights, 5), abs=1e-12)


def test_state_has_constant_size_and_reset_clears_it():
    metrics = XCMetrics(10, (1, 3), torch.ones(10))
    for _ in range(3):
        metrics.update(torch.tensor([[0, 2, 1]] * 50), label_sets([[0]] * 50))
    assert {name: state.numel() for name, state in metrics.metric_state.items()} == {"sums": 21, "rows": 1}
    assert metrics.compute()["P@1"] == 1
    metrics.reset()
    metrics.update(torch.tensor([[1]]), label_sets([[0]]))
    assert metrics.compute()["P@1"] == 0


def test_metrics_without_rows_are_nan():
    metrics = XCMetrics(10, 1, torch.ones(10))
    metrics.update(torch.empty(0, 5, dtype=torch.int64), label_sets([]))
    assert all(value.isnan() for value in metrics.compute().values())


def test_state_keeps_precision_in_a_bfloat16_module():
    predictions, true_lists, weights = random_case(40, 0.1)
    metrics = XCMetrics(40, range(1, 6), torch.tensor(weights, dtype=torch.float64))
    torch.nn.ModuleList([metrics]).to(torch.bfloat16)
    for row, true_labels in zip(predictions, true_lists, strict=True):
        metrics.update(ranked([row]), label_sets([true_labels]))
    found = {name: value.item() for name, value in metrics.compute().items()}
    assert found == pytest.approx(measure(predictions, true_lists, weights, 5), abs=1e-12)


def test_update_does_not_change_its_arguments_and_copies_are_independent():
    metrics, predicted = XCMetrics(5, 2), torch.tensor([[4, 0, 1]], dtype=torch.int32)
    other = copy.deepcopy(metrics)
    metrics.update(predicted, label_sets([[0]]), label_sets([[4]]))
    assert predicted.tolist() == [[4, 0, 1]]
    assert (metrics.rows.item(), other.rows.item()) == (1, 0)


@pytest.mark.parametrize("found", [5, -2, 1_000_000])
def test_predicted_ids_that_are_no_labels_are_refused(found):
    with pytest.raises(ValueError, match=rf"Predicted label ids must lie in -1\.\.4, found {found}\."):
        XCMetrics(5, 1).update(torch.tensor([[0, 4], [-1, found]]), label_sets([[0], [1]]))


@pytest.mark.parametrize("found", [5, -1])
def test_true_ids_that_are_no_labels_are_refused(found):
    with pytest.raises(ValueError, match=rf"True label ids must lie in 0\.\.4, found {found}\."):
        XCMetrics(5, 1).update(torch.tensor([[0]]), label_sets([[found]]))


def test_wrong_number_of_sets_is_refused():
    predicted = torch.tensor([[0], [1]])
    with pytest.raises(ValueError, match="2 rows, 1 sets"):
        XCMetrics(5, 1).update(predicted, label_sets([[0]]))
    with pytest.raises(ValueError, match="2 rows, 3 sets"):
        XCMetrics(5, 1).update(predicted, label_sets([[0], [1]]), label_sets([[], [], []]))


@pytest.mark.parametrize("top_k", [0, (), (1, 0), (-3,)])
def test_top_k_below_one_is_refused(top_k):
    shown = (top_k,) if isinstance(top_k, int) else top_k
    with pytest.raises(UserError, match=rf"top_k .* 1, got {re.escape(str(shown))}"):
        XCMetrics(5, top_k)


def test_wrong_number_of_inverse_propensities_is_refused():
    with pytest.raises(ValueError, match="Expected 5 inverse propensities, one per label, got 4"):
        XCMetrics(5, 1, torch.ones(4))
