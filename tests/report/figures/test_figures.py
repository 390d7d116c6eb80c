"""Figures are well-formed and reproducible, and name what is missing if they cannot be drawn."""

import re
import shutil
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from xcgraph.data.statistics import equal_volume_bins, label_frequency
from xcgraph.report.figures import DRAWINGS, NothingToShow
from xcgraph.report.figures.base import styles
from xcgraph.report.figures.beam_recall import recall_by_beam
from xcgraph.report.figures.degrees import draw_degrees, neighbours, survival
from xcgraph.report.figures.frequency import NUM_BINS, shares_by_bin
from xcgraph.report.figures.sweeps import draw_sweeps
from xcgraph.report.section import make_sections
from xcgraph.runs.folder import find_runs
from xcgraph.storage.artifacts import save_arrays


@pytest.fixture
def section(run_maker, sources):
    for seed in (0, 1):
        for neighbors in (2, 4):
            run_maker.make("eclare", seed, graph={"num_neighbors": neighbors})
        run_maker.make("decaf", seed, fusion="gated", hops=0)
    return make_sections(find_runs([run_maker.root])[0], sources, "eclare")[0][0]


@pytest.mark.parametrize("figure", DRAWINGS)
def test_figure_is_well_formed_labelled_and_reproducible(section, figure):
    pictures, again = DRAWINGS[figure](section), DRAWINGS[figure](section)

    assert pictures == again
    for picture in pictures:
        root = ElementTree.fromstring(picture.svg)
        assert root.get("aria-label") == picture.title
        ids = re.findall(r'\bid="([^"]+)"', picture.svg)
        assert len(ids) == len(set(ids))
        assert set(re.findall(r'(?:url\(|href=")#([^)"]+)', picture.svg)) <= set(ids)
        assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]+"', "", picture.svg)


@pytest.mark.parametrize("figure", ["Rare and frequent labels", "Shortlist recall"])
def test_figure_names_missing_dataset(section, figure):
    with pytest.raises(NothingToShow, match="dataset: no such file"):
        DRAWINGS[figure](replace(section, data=None, no_data="no such file"))


@pytest.mark.parametrize(
    ("figure", "reason"),
    [
        ("Shortlist recall", "beams of meta-labels"),
        ("Accuracy against training time", "training times"),
        ("Neighbours in the label graph", "label graph with edges"),
    ],
)
def test_figure_names_missing_stage_output(section, figure, reason):
    for experiment in section.experiments:
        for run in experiment.runs:
            shutil.rmtree(run.path / "stages", ignore_errors=True)

    with pytest.raises(NothingToShow, match=reason):
        DRAWINGS[figure](section)


@pytest.mark.parametrize("stage", ["tree-0-beams-valid", "tree-0-clusters"])
def test_beams_with_other_array_names_or_sizes_are_refused(section, stage):
    for experiment in section.experiments:
        for run in experiment.runs:
            save_arrays(run.path / "stages" / stage / "arrays.npz", assignment=np.zeros(3, np.int32))

    with pytest.raises(NothingToShow, match="beams of meta-labels"):
        DRAWINGS["Shortlist recall"](section)


def test_sweep_figure_needs_experiments_that_differ_in_one_number(section):
    with pytest.raises(NothingToShow, match="exactly one number"):
        draw_sweeps(replace(section, sweeps=()))


def test_each_sweep_has_one_picture(section):
    assert [picture.name for picture in draw_sweeps(section)] == ["sweep-0-graph-num_neighbors"]


def test_contributions_of_label_groups_add_up_to_metric(section, toy):
    bins = equal_volume_bins(label_frequency(toy.data.train.labels), NUM_BINS)
    run = section.base.runs[0]

    precision, scored = shares_by_bin(section.measured[run.path], toy.data, bins)

    assert precision.sum() == pytest.approx(run.metrics["test"]["P@5"])
    assert scored.sum() == pytest.approx(run.metrics["test"]["PSP@5"])
    assert (precision > 0).all()


def test_recall_by_beam_matches_hand_computed_values():
    labels = csr_array([[1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]])
    beams = np.array([[0, 1, 2], [2, 0, -1], [0, 1, 2]], np.int32)

    recall = recall_by_beam(beams, np.array([0, 2, 1, 0], np.int32), labels)

    assert recall.tolist() == [(0.5 + 0) / 2, (0.5 + 1) / 2, 1]


def test_neighbours_exclude_label_itself_and_zero_weights():
    graph = csr_array(np.array([[1, 0.5, 0], [0, 1, 0], [0.1, 0.1, 0]]))
    graph.data[graph.data == 0.5] = 0

    assert neighbours(graph).tolist() == [0, 0, 2]
    degrees, shares = survival(np.array([0, 0, 2]))
    assert (degrees.tolist(), shares.tolist()) == ([1, 2], [1 / 3, 1 / 3])


def test_cooccurrence_is_skipped_if_it_has_too_many_pairs(section, monkeypatch):
    monkeypatch.setattr("xcgraph.report.figures.degrees._MAX_PAIRS", 1)

    assert "unpruned co-occurrence" not in draw_degrees(section)[0].caption


def test_any_two_styles_differ_in_more_than_colour():
    six = styles(6)

    for part in ("marker", "line", "hatch"):
        assert len({getattr(style, part) for style in six}) == 6
