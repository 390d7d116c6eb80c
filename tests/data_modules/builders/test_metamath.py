import gzip
import json

import pytest

from data_modules.builders.metamath import build
from data_modules.builders.raw_set import is_test_point
from xcgraph.errors import UserError

TRAIN = [name for name in (f"th{number}" for number in range(99)) if not is_test_point(name)]
TEST = [name for name in (f"th{number}" for number in range(99)) if is_test_point(name)]

SOURCE = f"""
$( A comment about symbols. $)
$c |- wff ( ) -> $. $v p q $.
wp $f wff p $.  wq $f wff q $.
$( Not a label: its typecode is wff. $)
wi $a wff ( p -> q ) $.
$( _Simp_: see ~ ax-2 and ` ( p -> q ) ` [Tarski] p. 7.  (Contributed by NM,
   5-Aug-1993.) $)
ax-1 $a |- ( p -> ( q -> p ) ) $.
${{
  min $e |- p $.
  maj $e |- ( p -> q ) $.
  $( Modus ponens. $)
  ax-mp $a |- q $.
$}}
${{
  first $e |- p $.
  $( Inference. (Proof shortened by X.) $)
  {TRAIN[0]} $p |- ( q -> p ) $= ( wi ax-1 ax-mp unknown ) ABABD $( inside the proof $) CE $.
$}}
{TRAIN[1]} $p |- p $= ( {TRAIN[0]} {TRAIN[1]} ) A $.
$( A proof that is not compressed. $)
{TRAIN[2]} $p |- p $= ax-1 $.
$( Only syntax. $)
{TRAIN[3]} $p |- p $= ( wi ) A $.
$( Tested. $)
{TEST[0]} $p |- ( p -> p ) $= ( ax-mp {TRAIN[1]} ) A $.
"""


def read(folder, part):
    return {
        record.pop("uid"): record
        for record in map(json.loads, gzip.decompress((folder / f"{part}.json.gz").read_bytes()).splitlines())
    }


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "set.mm").write_text(SOURCE)
    statistics = build(tmp_path / "set.mm", tmp_path / "out")
    assert statistics == {"train_points": 2, "test_points": 1, "labels": 3}
    return tmp_path / "out"


def test_labels_are_assertions_that_training_proofs_use(folder):
    assert read(folder, "lbl") == {
        "ax-1": {"title": "Simp : see and Tarski p. 7.", "content": "( p -> ( q -> p ) )"},
        "ax-mp": {"title": "Modus ponens.", "content": "p & ( p -> q ) => q"},
        TRAIN[0]: {"title": "Inference.", "content": "p => ( q -> p )"},
    }


def test_points_are_theorems_with_the_premises_of_their_proofs(folder):
    columns = {uid: column for column, uid in enumerate(read(folder, "lbl"))}
    train = read(folder, "trn")

    assert train[TRAIN[0]]["title"] == "Inference."
    assert train[TRAIN[0]]["content"] == "p => ( q -> p )"
    assert train[TRAIN[0]]["target_ind"] == [columns["ax-1"], columns["ax-mp"]]
    assert train[TRAIN[1]]["title"] == TRAIN[1]  # a theorem without a comment is called by its name
    assert train[TRAIN[1]]["target_ind"] == [columns[TRAIN[0]]]
    assert read(folder, "tst")[TEST[0]]["target_ind"] == [columns["ax-mp"]]


def test_theorem_that_is_a_label_is_filtered(folder):
    row, column = map(int, (folder / "filter_labels_train.txt").read_text().split())

    assert list(read(folder, "trn"))[row] == list(read(folder, "lbl"))[column] == TRAIN[0]


@pytest.mark.parametrize(
    "end",
    ["$( no end", "x $a |- p", "${ x $e |- p $.", "$}", "x $a $.", "x $p |- p $= ( y $."],
    ids=["comment", "statement", "scope", "too_many_ends", "empty_statement", "proof"],
)
def test_unfinished_database_is_refused(end, tmp_path):
    (tmp_path / "set.mm").write_text(SOURCE + end)

    with pytest.raises(UserError, match=r"set\.mm: expected a complete Metamath database"):
        build(tmp_path / "set.mm", tmp_path / "out")


def test_other_text_is_refused(tmp_path):
    (tmp_path / "set.mm").write_text("The quick brown fox.")

    with pytest.raises(UserError, match=r"set\.mm: found 0 training points and 0 test points"):
        build(tmp_path / "set.mm", tmp_path / "out")
