import re
from dataclasses import replace
from importlib.resources import files

import pytest
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from data_modules.wordnet import WordNet
from xcgraph.cli.data import main
from xcgraph.cli.sources import open_source
from xcgraph.data.xc_data import XCData
from xcgraph.text.vectorizer import WordVectorizer


def configured(data_set: str) -> WordNet:
    config = {"data": load_yaml(f"data/{data_set}.yaml"), "text": load_yaml("text/words.yaml")}
    return instantiate(OmegaConf.create(config).data)


def load_yaml(name: str) -> DictConfig:
    return OmegaConf.load(str(files("xcgraph.conf") / name))


@pytest.fixture(scope="module")
def wordnet_8k() -> XCData:
    return configured("lf_wordnet_8k").read()


@pytest.fixture(scope="module")
def wordnet_40k() -> XCData:
    return configured("lf_wordnet_40k").read()


def assert_statistics(data: XCData, labels_per_point: float, points_per_label: float, rare: float) -> None:
    """Check means and shares; reading itself checks the exact sizes from the YAML files."""
    frequency = data.train.labels.sum(axis=0)
    assert data.train.labels.nnz / len(data.train) == pytest.approx(labels_per_point, abs=0.05)
    assert data.train.labels.nnz / data.num_labels == pytest.approx(points_per_label, abs=0.1)
    assert (frequency < 5).mean() == pytest.approx(rare, abs=0.01)
    assert frequency.min() == 1
    for split in (data.train, data.test):
        assert split.labels.sum(axis=1).min() == 1
        assert len(split.filter_pairs) > 0
        assert split.labels[tuple(split.filter_pairs.T)].sum() == 0


def test_statistics_of_wordnet_8k(wordnet_8k: XCData):
    assert_statistics(wordnet_8k, labels_per_point=1.5, points_per_label=3.7, rare=0.81)


@pytest.mark.slow
def test_statistics_of_wordnet_40k(wordnet_40k: XCData):
    assert_statistics(wordnet_40k, labels_per_point=2.5, points_per_label=4.8, rare=0.81)


def test_label_texts_of_wordnet_8k(wordnet_8k: XCData):
    assert "breathe, take a breath, respire, suspire" in wordnet_8k.label_names
    assert not any("_" in name or "(p)" in name for name in wordnet_8k.label_names)
    assert {"breathe", "x", "quickly"} < set(wordnet_8k.vocabulary)


def test_point_texts_has_a_text_per_point(wordnet_8k: XCData):
    texts = configured("lf_wordnet_8k").point_texts()

    for split, found in ((wordnet_8k.train, texts.train), (wordnet_8k.test, texts.test)):
        assert len(found) == len(split)
        for point in (0, 100, 7000):
            words = {wordnet_8k.vocabulary[token] for token in split.features[[point]].indices}
            assert words <= set(re.findall(r"\w+", found[point].lower()))


def test_order_of_parts_of_speech_does_not_change_the_data(wordnet_8k: XCData):
    reordered = WordNet(
        name=wordnet_8k.name,
        propensity_a=0.55,
        propensity_b=1.5,
        parts_of_speech=["adv", "adj", "verb"],
        text=WordVectorizer(),
    )

    assert reordered.read().fingerprint == wordnet_8k.fingerprint


@pytest.mark.parametrize("layout", ["split", "single_file", "json", "texts"])
def test_converted_data_set_is_read_back_equal(wordnet_8k, tmp_path, layout):
    main(["convert", "lf_wordnet_8k", str(tmp_path / "mine"), "--layout", layout])

    found = open_source(str(tmp_path / "mine"), cache=tmp_path / "cache").read()
    assert replace(found, name=wordnet_8k.name).fingerprint == wordnet_8k.fingerprint
