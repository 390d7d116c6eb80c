"""A dataset of a few texts, and a folder in which tests write and read files."""

import gzip
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from xcgraph.data.from_texts import LabelledTexts, from_texts
from xcgraph.data.metadata import GraphMetadata
from xcgraph.data.xc_data import PointTexts, XCData
from xcgraph.formats.folder import read_folder
from xcgraph.storage.artifacts import ArtifactStore
from xcgraph.text.vectorizer import WordVectorizer

TRAIN_TEXTS = ("red wine of france", "white wine", "green tea, ça va", "tea of china", "milk")
TRAIN_LABELS = ((1, 2), (2,), (), (0,), (3,))
TEST_TEXTS = ("black tea", "wine and tea", "")
TEST_LABELS = ((0,), (0, 2), (3,))
LABEL_TEXTS = ("tea", "red things", "wine", "milk")
TEXT = WordVectorizer(min_df=1)


@dataclass(frozen=True)
class Folder:
    """A folder in which a test writes files."""

    path: Path
    cache: ArtifactStore

    def write(self, name: str, *lines: str | bytes, encoding: str = "utf-8") -> Path:
        """Write lines, compressed if the name ends with ``.gz``."""
        coded = (line if isinstance(line, bytes) else line.encode(encoding) for line in lines)
        content = b"".join(line + b"\n" for line in coded)
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return file

    def write_split(self, **changes: tuple[str, ...]) -> None:
        """Write a small dataset in the layout ``split``; a change replaces the lines of ``NAME.txt``."""
        files = {
            "trn_X_Xf": ("3 2", "0:1 1:0.5", "1:2", "0:1"),
            "trn_X_Y": ("3 4", "0:1", "1:1 3:1", "2:1"),
            "tst_X_Xf": ("2 2", "0:1", "1:1"),
            "tst_X_Y": ("2 4", "0:1", "3:1"),
            "Yf": ("4 2", "0:1", "1:1", "0:1", "1:1"),
        }
        for stem, lines in {**files, **changes}.items():
            self.write(f"{stem}.txt", *lines)

    def read(self, **changes: object) -> XCData:
        """Read the folder as a dataset."""
        options = {"layout": None, "text": TEXT, "propensity_a": 0.55, "propensity_b": 1.5, **changes}
        return read_folder(self.path, name="drinks", cache=self.cache, **options)


@pytest.fixture
def cache(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "cache")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return the path at which a test writes one text file."""
    return tmp_path / "source.txt"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "drinks").mkdir()
    return Folder(tmp_path / "drinks", ArtifactStore(tmp_path / "cache"))


@pytest.fixture
def data() -> XCData:
    """Return the dataset of the texts above, with filter pairs."""
    data = from_texts(
        LabelledTexts(TRAIN_TEXTS, TRAIN_LABELS),
        LabelledTexts(TEST_TEXTS, TEST_LABELS),
        name="drinks",
        label_texts=LABEL_TEXTS,
        text=TEXT,
    )
    return replace(
        data,
        train=replace(data.train, filter_pairs=np.array([[1, 0], [4, 2]])),
        test=replace(data.test, filter_pairs=np.array([[2, 1]])),
    )


@pytest.fixture
def texts() -> PointTexts:
    return PointTexts(TRAIN_TEXTS, TEST_TEXTS)


@pytest.fixture
def metadata() -> dict[str, GraphMetadata]:
    rng = np.random.default_rng(0)
    parts = {
        part: csr_array((rng.random((rows, 6)) < 0.5) * rng.random((rows, 6)), dtype=np.float32)
        for part, rows in (("train", 5), ("test", 3), ("labels", 4))
    }
    return {"category": GraphMetadata(**parts), "hyper_link": GraphMetadata(train=parts["train"])}
