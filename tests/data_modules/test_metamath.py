import gzip
import io
import lzma
import tarfile
from importlib import resources

import pytest
import yaml
from hydra import compose, initialize_config_module
from hydra.utils import instantiate

from data_modules.builders.metamath import build
from data_modules.builders.pack import pack_folder
from data_modules.builders.raw_set import is_test_point
from data_modules.metamath import EMBEDDED_ARCHIVE, Metamath
from xcgraph.errors import UserError
from xcgraph.formats.fingerprint import fingerprint_folder
from xcgraph.text.vectorizer import WordVectorizer

RECORDED = yaml.safe_load(
    resources.files("xcgraph.conf").joinpath("data/lf_metamath.yaml").read_text("utf-8")
)
NAMES = [f"theorem{number}" for number in range(40)]
SOURCE = "ax-1 $a |- p $.\n" + "".join(
    f"$( Theorem {number}. $) {name} $p |- q $= ( ax-1 {NAMES[number - 1] if number else ''} ) A $.\n"
    for number, name in enumerate(NAMES)
)


@pytest.fixture
def raw(tmp_path):
    """A folder as xcgraph-data build writes it."""
    (tmp_path / "set.mm").write_text(SOURCE)
    build(tmp_path / "set.mm", tmp_path / "raw")
    return tmp_path / "raw"


@pytest.fixture
def archive(raw, tmp_path):
    pack_folder(raw, tmp_path / "tiny.tar.xz")
    return tmp_path / "tiny.tar.xz"


def module(archive, **statistics):
    return Metamath(
        name="tiny",
        propensity_a=0.55,
        propensity_b=1.5,
        text=WordVectorizer(min_df=1),
        cache=archive.parent / "converted",
        archive=archive,
        statistics=statistics,
    )


def test_archive_is_read_like_the_folder_it_was_packed_from(archive, raw):
    train = [name for name in NAMES if not is_test_point(name)]

    data = module(archive).read()
    texts = module(archive).point_texts()

    assert len(data.train) == len(list(texts.train)) == len(train)
    assert len(data.test) == len(NAMES) - len(train)
    assert next(iter(texts.train)) == f"Theorem {sorted(train)[0].removeprefix('theorem')}. q"
    pairs = (raw / "filter_labels_train.txt").read_text().splitlines()
    assert data.train.filter_pairs.tolist() == [[int(number) for number in pair.split()] for pair in pairs]


def test_archive_is_unpacked_once(archive):
    module(archive).read()
    before = {path: path.stat().st_mtime_ns for path in (archive.parent / "converted").rglob("*.json")}
    module(archive).read()

    assert {
        path: path.stat().st_mtime_ns for path in (archive.parent / "converted").rglob("*.json")
    } == before
    assert "trn.json" in {path.name for path in before}


def test_equal_folders_give_equal_archives(archive, raw, tmp_path):
    for path in raw.glob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    pack_folder(raw, tmp_path / "again.tar.xz")

    assert (tmp_path / "again.tar.xz").read_bytes() == archive.read_bytes()


def test_statistics_are_checked(archive):
    with pytest.raises(UserError, match=r"tiny: expected 3 labels, found \d+ in .*tiny\.tar\.xz"):
        module(archive, labels=3).read()


def test_missing_archive_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"none\.tar\.xz: expected the archive of tiny, found no such file"):
        module(tmp_path / "none.tar.xz").read()


@pytest.mark.parametrize("size", [0, 100, -20])
def test_damaged_archive_is_refused(size, archive):
    archive.write_bytes(archive.read_bytes()[:size])

    with pytest.raises(UserError, match=r"tiny\.tar\.xz: expected an intact tar\.xz, found: .*data\.archive"):
        module(archive).read()


@pytest.mark.parametrize("name", ["../evil.json", "README"])
def test_archive_with_other_files_is_refused(name, tmp_path):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as members:
        members.addfile(tarfile.TarInfo(name))
    (tmp_path / "other.tar.xz").write_bytes(lzma.compress(stream.getvalue()))

    with pytest.raises(UserError, match=rf"other\.tar\.xz: expected the files trn\.json, .*found {name}"):
        module(tmp_path / "other.tar.xz").read()
    assert not list(tmp_path.rglob("*evil*"))


def test_embedded_archive_has_the_recorded_fingerprint(tmp_path):
    with tarfile.open(EMBEDDED_ARCHIVE) as members:
        members.extractall(tmp_path, filter="data")

    assert fingerprint_folder(tmp_path) == RECORDED["build"]["sha256"]
    for file, statistic in (("trn", "train_points"), ("tst", "test_points"), ("lbl", "labels")):
        lines = (tmp_path / f"{file}.json").read_bytes().count(b"\n")
        assert lines == RECORDED["statistics"][statistic]


@pytest.mark.slow
def test_embedded_archive_has_the_recorded_statistics(tmp_path):
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        config = compose("train", ["data=lf_metamath", f"paths.root={tmp_path}"])

    data = instantiate(config.data).read()  # compares the numbers of points and labels

    frequency = data.train.labels.sum(axis=0)
    assert data.train.labels.nnz / len(data.train) == pytest.approx(19.52, abs=0.01)
    assert data.train.labels.nnz / data.num_labels == pytest.approx(17.62, abs=0.01)
    assert (frequency < 5).mean() == pytest.approx(0.685, abs=0.001)
    for split in (data.train, data.test):
        assert split.labels.sum(axis=1).min() >= 1
        assert len(split.filter_pairs) > 0
        assert split.labels[tuple(split.filter_pairs.T)].sum() == 0
