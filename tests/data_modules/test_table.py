import pandas as pd
import pytest

from data_modules.hf_dataset import HfDataset
from data_modules.table import Table
from xcgraph.errors import UserError
from xcgraph.text.vectorizer import WordVectorizer

LABELS = {"L1": "bamboo board", "L2": "red apple", "L3": "desk lamp"}
ROWS = [(f"{text} number {place}", label) for place in range(10) for label, text in LABELS.items()]


@pytest.fixture
def folder(tmp_path):
    frame = pd.DataFrame(ROWS, columns=["text", "labels"])
    frame["part"] = ["test" if place % 5 == 0 else "train" for place in range(len(frame))]
    frame.to_csv(tmp_path / "points.csv", index=False)
    frame[frame.part == "test"].to_csv(tmp_path / "test.csv", index=False)
    pd.DataFrame(LABELS.items(), columns=["id", "text"]).to_csv(tmp_path / "labels.csv", index=False)
    return tmp_path


def table(folder, **changes):
    arguments = {
        "name": "toy",
        "path": folder / "points.csv",
        "label_texts": folder / "labels.csv",
        "vectorizer": WordVectorizer(min_df=1),
        "text": "text",
        "labels": "labels",
        **changes,
    }
    return Table(**arguments)


def test_ids_and_texts_of_labels(folder):
    data = table(folder).read()
    assert data.label_ids == ("L1", "L2", "L3")
    assert data.label_names == tuple(LABELS.values())
    assert (len(data.train), len(data.test)) == (24, 6)


def test_ids_are_texts_without_a_label_table(folder):
    data = table(folder, label_texts=None).read()
    assert data.label_ids == data.label_names == ("L1", "L2", "L3")


@pytest.mark.parametrize(("test", "sizes"), [(0.5, (15, 15)), (0.0, (30, 0)), ("column:part", (24, 6))])
def test_splits(folder, test, sizes):
    data = table(folder, test=test).read()
    assert (len(data.train), len(data.test)) == sizes


def test_second_table_holds_the_test_points(folder):
    data = table(folder, test=str(folder / "test.csv")).read()
    assert (len(data.train), len(data.test)) == (30, 6)


def test_seed_chooses_the_share(folder):
    reads = [table(folder, test_seed=seed).read().labels_fingerprint for seed in (0, 0, 1)]
    assert reads[0] == reads[1] != reads[2]


def test_point_texts_match_the_splits(folder):
    module = table(folder, test="column:part")
    texts = module.point_texts()
    assert list(texts.test)[:2] == ["bamboo board number 0", "desk lamp number 1"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"test": 1.0}, r"data\.test=1\.0.*\[0, 1\)"),
        ({"test": "half"}, r"data\.test=half.*test\.csv"),
        ({"test": "column:no"}, r"no column 'no'.*data\.test"),
        ({"test": "column:part", "test_seed": 3}, r"data\.test_seed"),
        ({"text": "title"}, r"no column 'title'.*data\.text"),
        ({"labels": "tags"}, r"no column 'tags'.*data\.labels"),
        ({"label_id": "key"}, r"labels\.csv: no column 'key'.*data\.label_id"),
    ],
)
def test_wrong_setting_is_refused(folder, changes, expected):
    with pytest.raises(UserError, match=expected):
        table(folder, **changes).read()


def test_label_without_a_text_is_refused_with_its_line(folder):
    (folder / "labels.csv").write_text("id,text\nL1,board\nL2,apple\n")
    with pytest.raises(UserError, match=r"points\.csv, line \d+: label 'L3' has no row in .*labels\.csv"):
        table(folder).read()


def test_hugging_face_folder(folder):
    datasets = pytest.importorskip("datasets")
    frame = pd.read_csv(folder / "points.csv").drop(columns="part")
    features = datasets.Features(
        text=datasets.Value("string"), labels=datasets.Sequence(datasets.ClassLabel(names=list(LABELS)))
    )
    rows = {"text": frame.text.tolist(), "labels": [[label] for label in frame.labels]}
    split = datasets.Dataset.from_dict(rows, features=features).train_test_split(0.2, seed=0)
    split.save_to_disk(folder / "hub")

    module = HfDataset(
        name="toy",
        path=folder / "hub",
        vectorizer=WordVectorizer(min_df=1),
        text="text",
        labels="labels",
        label_texts=folder / "labels.csv",
    )

    data = module.read()
    assert (len(data.train), len(data.test)) == (24, 6)
    assert data.label_ids == ("L1", "L2", "L3")


def test_hugging_face_folder_that_is_none_is_refused(folder):
    pytest.importorskip("datasets")
    module = HfDataset(
        name="toy", path=folder, vectorizer=WordVectorizer(min_df=1), text="text", labels="labels"
    )
    with pytest.raises(UserError, match="no dataset of save_to_disk"):
        module.read()
