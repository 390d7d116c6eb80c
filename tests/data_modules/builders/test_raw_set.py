import gzip
import hashlib
import json

import pytest

from data_modules.builders.raw_set import RawLabel, RawPoint, is_test_point, one_space, write_raw_set
from xcgraph.errors import UserError


def ids(in_test):
    """The first five ids of a split, hashed in a second way."""
    candidates = [f"p{number:02}" for number in range(100)]
    hashed = [int(hashlib.sha256(name.encode()).hexdigest()[:16], 16) for name in candidates]
    return [name for name, value in zip(candidates, hashed, strict=True) if (value / 2**64 < 0.3) is in_test][
        :5
    ]


TRAIN, TEST = ids(in_test=False), ids(in_test=True)


def point(*labels):
    return RawPoint("title", "content", frozenset(labels))


def label(name):
    return RawLabel(f"title of {name}", f"content of {name}")


def read_lines(path):
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def test_hash_of_the_id_decides_the_split():
    assert not any(map(is_test_point, TRAIN))
    assert all(map(is_test_point, TEST))


def test_labels_are_those_of_training_points(tmp_path):
    points = {
        TRAIN[1]: point("b", "a"),
        TRAIN[0]: point("b"),
        TRAIN[2]: point(),
        TEST[0]: point("only", "a"),
        TEST[1]: point("only"),
    }

    found = write_raw_set(
        tmp_path, points, {name: label(name) for name in ("only", "b", "a")}, source=tmp_path
    )

    assert found == {"train_points": 2, "test_points": 1, "labels": 2}
    train, test, labels = (read_lines(tmp_path / f"{part}.json.gz") for part in ("trn", "tst", "lbl"))
    assert [(record["uid"], record["target_ind"]) for record in train] == [
        (TRAIN[0], [1]),
        (TRAIN[1], [0, 1]),
    ]
    assert test == [
        {"uid": TEST[0], "title": "title", "content": "content", "target_ind": [0], "target_rel": [1.0]}
    ]
    assert labels == [
        {"uid": name, "title": f"title of {name}", "content": f"content of {name}"} for name in ("a", "b")
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"trn.json.gz", "tst.json.gz", "lbl.json.gz"}


def test_filter_pairs_join_a_point_with_itself_as_a_label(tmp_path):
    points = {
        TRAIN[0]: point(TRAIN[1]),
        TRAIN[1]: point(TRAIN[2], TEST[1]),
        TEST[0]: point(TRAIN[1]),
        TEST[1]: point(TRAIN[2]),
    }

    write_raw_set(tmp_path, points, {name: label(name) for name in (*TRAIN, *TEST)}, source=tmp_path)

    columns = sorted([TRAIN[1], TRAIN[2], TEST[1]])
    assert (tmp_path / "filter_labels_train.txt").read_text() == f"1 {columns.index(TRAIN[1])}\n"
    assert (tmp_path / "filter_labels_test.txt").read_text() == f"1 {columns.index(TEST[1])}\n"


def test_equal_points_give_equal_files(tmp_path):
    points = {TRAIN[0]: point("a", "b", "c"), TEST[0]: point("c", "b")}
    labels = {name: label(name) for name in "abc"}
    write_raw_set(tmp_path / "1", points, labels, source=tmp_path)
    write_raw_set(tmp_path / "2", dict(reversed(points.items())), labels, source=tmp_path)

    for path in (tmp_path / "1").iterdir():
        assert path.read_bytes() == (tmp_path / "2" / path.name).read_bytes()


@pytest.mark.parametrize(
    ("uids", "numbers"),
    [([], "0 training points and 0 test"), (TRAIN, "5 training points and 0 test"), (TEST, "0 training")],
    ids=["no_points", "no_test_points", "no_training_points"],
)
def test_source_without_points_of_both_splits_is_refused(uids, numbers, tmp_path):
    with pytest.raises(UserError, match=rf"x\.mm: found {numbers}"):
        write_raw_set(
            tmp_path / "out", {uid: point("a") for uid in uids}, {"a": label("a")}, source=tmp_path / "x.mm"
        )
    assert not (tmp_path / "out").exists()


def test_one_space_replaces_all_white_space():
    assert one_space(" a\n\t b\u00a0c ") == "a b c"
