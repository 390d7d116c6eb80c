"""Other libraries, as far as they are there without a package index."""

import json
import sys

import numpy as np
import pytest
from scipy.sparse import csr_array, load_npz

from benchmarks.peers import trial
from benchmarks.peers.__main__ import PEERS, Library, convert, environment, parse
from xcgraph.errors import UserError
from xcgraph.formats.write import write_rows
from xcgraph.metrics.evaluate import evaluate_scores


def test_rows_are_read_as_the_project_writes_them(tmp_path):
    matrix = csr_array(np.array([[0, 0.25, 0, 1], [0, 0, 0, 0], [3e-7, 0, 0, 0.1]], np.float32))
    write_rows(tmp_path / "rows.txt", matrix)

    found = trial.read_rows(tmp_path / "rows.txt")

    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.toarray(), matrix.toarray())


def test_a_package_that_is_not_there_leaves_one_sentence_and_nothing_else(tmp_path):
    library = Library("Nobody's", "nowhere", (), ("--no-index", "no-such-package"))

    with pytest.raises(UserError, match=r"Could not install --no-index no-such-package .*leave it out"):
        environment(library, tmp_path / "environment")

    assert list(tmp_path.iterdir()) == []


def test_an_environment_is_made_once(tmp_path):
    library = Library("Nothing's", "nowhere", (), ())
    made = environment(library, tmp_path / "environment")
    marker = tmp_path / "environment" / "installed.json"
    before = marker.stat().st_mtime_ns

    assert environment(library, tmp_path / "environment") == made
    assert made.exists()
    assert marker.stat().st_mtime_ns == before


def test_a_peer_learns_and_says_what_it_took(tmp_path, toy, monkeypatch, capsys):
    pytest.importorskip("napkinxc")
    from benchmarks.peers.napkinxc import LabelTree

    data = toy.data
    for name, matrix in (
        ("trn_X_Xf", data.train.features),
        ("trn_X_Y", data.train.labels),
        ("tst_X_Xf", data.test.features),
    ):
        write_rows(tmp_path / f"{name}.txt", matrix)
    flags = ["--threads=1", "--top-k=10", "--runs=2", "--queries=20"]
    monkeypatch.setattr(sys, "argv", ["peer", str(tmp_path), str(tmp_path / "scores.npz"), *flags])

    trial.main(LabelTree())

    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["training"]["seconds"] > 0
    assert found["predict_ms_per_point"]["count"] == 2
    assert found["single_query"]["queries"] == 10
    scores = csr_array(load_npz(tmp_path / "scores.npz"))
    assert np.diff(scores.indptr).max() == 10
    assert evaluate_scores(scores, data.test, inverse_propensity=None)["P@1"] > 0.3


def test_the_command_line_takes_some_peers_and_one_data_set():
    options = parse(["--peers", "pecos", "--data", "lf_wordnet_40k"])

    assert options.peers == ["pecos"]
    assert set(PEERS) == {"pecos", "napkinxc"}


def test_data_is_exported_by_the_projects_own_command(tmp_path, toy):
    source = tmp_path / "source"
    source.mkdir()
    parts = {"trn": toy.data.train, "tst": toy.data.test}
    for name, split in parts.items():
        write_rows(source / f"{name}_X_Xf.txt", split.features)
        write_rows(source / f"{name}_X_Y.txt", split.labels)
    write_rows(source / "Yf.txt", toy.data.label_features)

    exported = convert(str(source), tmp_path / "exported")

    found = trial.read_rows(exported / "trn_X_Xf.txt")
    np.testing.assert_array_equal(found.toarray(), toy.data.train.features.toarray())
