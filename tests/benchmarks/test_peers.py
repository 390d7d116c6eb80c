"""Tests of the other libraries that need no package index."""

import json
import sys
import venv

import numpy as np
import pytest
from scipy.sparse import csr_array, load_npz

from benchmarks.peers import trial
from benchmarks.peers.__main__ import PEERS, Library, convert, environment, parse
from xcgraph.errors import UserError
from xcgraph.formats.write import write_rows
from xcgraph.metrics.evaluate import evaluate_scores


def test_read_rows_reads_the_files_of_write_rows(tmp_path):
    matrix = csr_array(np.array([[0, 0.25, 0, 1], [0, 0, 0, 0], [3e-7, 0, 0, 0.1]], np.float32))
    write_rows(tmp_path / "rows.txt", matrix)

    found = trial.read_rows(tmp_path / "rows.txt")

    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.toarray(), matrix.toarray())


def test_missing_package_is_named_and_its_environment_removed(tmp_path):
    library = Library("Nobody's", "nowhere", (), ("--no-index", "no-such-package"))

    with pytest.raises(UserError, match=r"pip.* --no-index no-such-package .*--peers"):
        environment(library, tmp_path / "environment")

    assert list(tmp_path.iterdir()) == []


def test_environment_is_created_only_once(tmp_path, monkeypatch):
    create = venv.create
    # Nothing is installed, so the environment needs no pip, which takes seconds to set up.
    monkeypatch.setattr(venv, "create", lambda folder, with_pip: create(folder, with_pip=not with_pip))
    library = Library("Nothing's", "nowhere", (), ())
    made = environment(library, tmp_path / "environment")
    marker = tmp_path / "environment" / "installed.json"
    before = marker.stat().st_mtime_ns

    assert environment(library, tmp_path / "environment") == made
    assert made.exists()
    assert marker.stat().st_mtime_ns == before


def test_napkinxc_trains_and_reports_costs(tmp_path, toy, monkeypatch, capsys):
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


def test_command_line_selects_peers_and_a_dataset():
    options = parse(["--peers", "pecos", "--data", "lf_wordnet_40k"])

    assert options.peers == ["pecos"]
    assert set(PEERS) == {"pecos", "napkinxc"}


def test_convert_keeps_the_features(tmp_path, toy):
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
