"""A data set is a folder or the name of a config, in any spelling."""

import pytest

from data_modules.wordnet import WordNet
from data_modules.xc_repository import XCRepository
from xcgraph.cli.sources import find_config, open_source
from xcgraph.errors import UserError


def test_a_folder_is_called_by_its_name_wherever_the_command_runs(tmp_path, monkeypatch):
    (tmp_path / "(mapped) LF=Odd,name").mkdir()
    monkeypatch.chdir(tmp_path / "(mapped) LF=Odd,name")

    for source in (".", "../(mapped) LF=Odd,name"):
        data = open_source(source, cache=tmp_path / "cache", layout="single_file")

        assert isinstance(data, XCRepository)
        assert (data.name, str(data.path), data.layout) == ("(mapped) LF=Odd,name", source, "single_file")
        assert data.cache == tmp_path / "cache"


def test_a_folder_wins_over_a_name(tmp_path, monkeypatch):
    (tmp_path / "lf_wordnet_8k").mkdir()
    monkeypatch.chdir(tmp_path)

    assert isinstance(open_source("lf_wordnet_8k", cache=tmp_path), XCRepository)


@pytest.mark.parametrize("name", ["lf_wordnet_8k", "LF-WordNet-8K", "lf-wordnet_8K"])
def test_any_spelling_of_a_name(name, tmp_path):
    assert isinstance(open_source(name, cache=tmp_path), WordNet)
    assert find_config(name)["name"] == "LF-WordNet-8K"


def test_the_names_of_all_configs_are_spellings_of_their_files():
    assert find_config("LF-AmazonTitles-1.3M")["propensity_a"] == 0.6


@pytest.mark.parametrize("name", ["xc_folder", "xc-folder", "", "../data/lf_wordnet_8k"])
def test_other_names_are_refused(name):
    with pytest.raises(UserError, match=r"expected a folder or one of lf_.*lf_wordnet_8k.*; found neither"):
        find_config(name)


def test_a_layout_of_no_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"lf_wordnet_8k is not a folder.*--layout"):
        open_source("lf_wordnet_8k", cache=tmp_path, layout="single_file")


def test_an_unknown_layout_is_refused(tmp_path):
    with pytest.raises(UserError, match="layout: expected one of split, single_file, json, texts, found new"):
        open_source(str(tmp_path), cache=tmp_path, layout="new")
