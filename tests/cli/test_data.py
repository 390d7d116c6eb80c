"""xcgraph-data as users meet it: what it prints and leaves, and how it says no."""

import errno
import json
import sys
import zipfile
from types import SimpleNamespace

import gdown
import pytest

from xcgraph.cli.data import LAYOUTS, main
from xcgraph.data.download import REPOSITORY
from xcgraph.formats.layouts import all_layouts

SPLIT = {
    "trn_X_Xf.txt": "3 4\n0:0.5 1:0.25\n2:1\n3:1\n",
    "trn_X_Y.txt": "3 3\n0:1 1:1\n0:1\n1:1\n",
    "tst_X_Xf.txt": "1 4\n3:2\n",
    "tst_X_Y.txt": "1 3\n2:1\n",
    "Yf.txt": "3 4\n0:1\n1:1 2:1\n3:1\n",
    "filter_labels_test.txt": "0 0\n",
}
UNSORTED = {**SPLIT, "trn_X_Xf.txt": "3 4\n1:0.25 0:0.5\n2:1\n3:1\n"}


def write_folder(folder, files):
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(content)
    return folder


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A folder in the layout of the repository; the command runs beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return write_folder(tmp_path / "LF-Tiny", SPLIT)


def refuse(capsys, *arguments):
    """Run a command that must be refused, and return what it says."""
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    return capsys.readouterr().err


def find_number(output, row):
    line = next(line for line in output.splitlines() if row in line)
    return line.split("│")[2].strip()


def names_below(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("tiny")
class TestInspect:
    def test_the_numbers_are_printed_and_nothing_is_written(self, tmp_path, capsys):
        before = names_below(tmp_path)

        main(["inspect", "LF-Tiny"])

        output = capsys.readouterr().out
        assert "LF-Tiny" in output
        assert find_number(output, "labels per point") == "1.33"
        assert find_number(output, "with fewer than 5 training points") == "3"
        assert find_number(output, "without training points") == "1"
        assert find_number(output, "without labels") == "0"
        assert names_below(tmp_path) == before

    def test_out_gets_numbers_and_a_picture(self, tmp_path, capsys):
        main(["inspect", str(tmp_path / "LF-Tiny"), "--out", "a/b"])

        assert "Written: a/b/statistics.json and a/b/label_frequency.png" in capsys.readouterr().out
        numbers = json.loads((tmp_path / "a/b/statistics.json").read_text())
        assert (numbers["name"], numbers["labels"], numbers["test"]["filter_pairs"]) == ("LF-Tiny", 3, 1)
        assert (tmp_path / "a/b/label_frequency.png").stat().st_size > 1000

    def test_cache_keeps_what_was_converted(self, tmp_path):
        main(["inspect", "LF-Tiny", "--cache", "kept"])

        assert list((tmp_path / "kept").rglob("*.npy"))

    @pytest.mark.parametrize("name", ["lf_wordnet_8k", "LF-WordNet-8K"])
    def test_a_data_set_may_be_named(self, name, monkeypatch):
        monkeypatch.setattr("data_modules.wordnet.WordNet.read", lambda self: pytest.fail(self.name))

        with pytest.raises(pytest.fail.Exception, match="LF-WordNet-8K"):
            main(["inspect", name])

    def test_a_name_that_is_none_is_answered_with_those_that_are(self, capsys):
        said = refuse(capsys, "inspect", "LF-Tyni")

        assert "LF-Tyni: " in said
        assert "lf_amazon_131k, lf_amazontitles_131k, " in said

    def test_a_layout_is_for_folders(self, capsys):
        assert "leave --layout out" in refuse(capsys, "inspect", "lf_wordnet_8k", "--layout", "split")

    def test_a_folder_that_cannot_be_written_is_said(self, capsys):
        assert "Cannot write the output" in refuse(capsys, "inspect", "LF-Tiny", "--out", "/dev/null/here")


@pytest.mark.usefixtures("tiny")
class TestValidate:
    def test_good(self, capsys):
        main(["validate", "LF-Tiny"])

        assert capsys.readouterr().out == (
            "LF-Tiny is good: 3 training points, 1 test points, 3 labels, 4 tokens.\n"
        )

    def test_mended(self, tmp_path, capsys, caplog):
        write_folder(tmp_path / "messy", UNSORTED)

        main(["validate", str(tmp_path / "messy")])

        output, errors = capsys.readouterr()
        mended, good = output.splitlines()
        assert mended.startswith("Note: ")
        assert "sorted 1 rows" in mended
        assert good.startswith("messy is good")
        assert errors == ""
        assert caplog.records == []  # said once, not in the log too

    def test_wrong(self, tmp_path, capsys):
        write_folder(tmp_path / "wrong", {**SPLIT, "tst_X_Y.txt": "1 3\n3:1\n"})

        said = refuse(capsys, "validate", str(tmp_path / "wrong"))

        assert "tst_X_Y.txt, line 2" in said
        assert said.count("\n") == 1

    def test_a_published_set_that_is_not_there_says_how_to_get_it(self, capsys):
        said = refuse(capsys, "validate", "lf_amazontitles_131k")

        assert "xcgraph-data download LF-AmazonTitles-131K" in said
        assert said.count("\n") == 1


@pytest.mark.usefixtures("tiny")
class TestConvert:
    def test_there_and_back(self, tmp_path, capsys):
        main(["convert", "LF-Tiny", "single", "--layout", "single_file"])
        main(["convert", "single", "back", "--layout", "split", "--from", "single_file"])

        assert capsys.readouterr().out == "Written: single\nWritten: back\n"
        assert (tmp_path / "single" / "train.txt").read_text().startswith("3 4 3\n0,1 0:0.5 1:0.25\n")
        for name in ("trn_X_Xf.txt", "trn_X_Y.txt", "tst_X_Xf.txt", "tst_X_Y.txt"):
            assert (tmp_path / "back" / name).read_text() == SPLIT[name]

    def test_the_layout_of_the_source_may_be_forced(self, tmp_path):
        for name in ("train.txt", "test.txt"):
            (tmp_path / "LF-Tiny" / name).write_text("1 4 3\n0 0:1\n")

        main(["convert", "LF-Tiny", "forced", "--layout", "single_file", "--from", "single_file"])

        assert (tmp_path / "forced" / "train.txt").read_text() == "1 4 3\n0 0:1\n"

    def test_texts_are_taken_along(self, tmp_path):
        write_folder(
            tmp_path / "texts",
            {
                "trn_X.txt": "red apple\ngreen pear\n",
                "tst_X.txt": "red pear\n",
                "Y.txt": "apple\npear\n",
                "trn_X_Y.txt": "2 2\n0:1\n1:1\n",
                "tst_X_Y.txt": "1 2\n1:1\n",
            },
        )

        main(["convert", "texts", "json", "--layout", "json"])

        records = [json.loads(line) for line in (tmp_path / "json" / "trn.json").read_text().splitlines()]
        assert [record["title"] for record in records] == ["red apple", "green pear"]
        assert [record["target_ind"] for record in records] == [[0], [1]]

    def test_features_are_no_texts(self, tmp_path, capsys):
        said = refuse(capsys, "convert", "LF-Tiny", "json", "--layout", "json")

        assert "expected the texts of its points" in said
        assert [path.name for path in tmp_path.iterdir()] == ["LF-Tiny"]

    def test_a_folder_that_is_there_is_left_alone(self, tmp_path, capsys):
        said = refuse(capsys, "convert", "LF-Tiny", "LF-Tiny", "--layout", "single_file")

        assert "LF-Tiny exists already" in said
        assert names_below(tmp_path / "LF-Tiny") == set(SPLIT)

    @pytest.mark.parametrize(
        ("error", "status", "message"),
        [
            (KeyboardInterrupt(), 130, "Interrupted: nothing half-written is left"),
            (OSError(errno.ENOSPC, "No space left on device"), 2, "The disk is full"),
        ],
    )
    def test_nothing_half_written_is_left(self, error, status, message, tmp_path, monkeypatch, capsys):
        def write(_data, folder, _layout, *, texts):
            assert texts is None
            folder.mkdir()
            (folder / "train.txt").write_text("half")
            raise error

        monkeypatch.setattr("xcgraph.formats.folder.write_folder", write)

        with pytest.raises(SystemExit) as left:
            main(["convert", "LF-Tiny", "single", "--layout", "single_file"])

        assert left.value.code == status
        assert message in capsys.readouterr().err
        assert [path.name for path in tmp_path.iterdir()] == ["LF-Tiny"]


class TestDownload:
    @pytest.fixture
    def drive(self, monkeypatch, tmp_path):
        """What stands for Google Drive; it counts what it hands out."""
        handed_out = []

        def download(*, id, output, **_):  # noqa: A002 - gdown's own name
            handed_out.append(id)
            with zipfile.ZipFile(output, "w") as archive:
                for name, content in SPLIT.items():
                    archive.writestr(f"LF-Amazon-131K/{name}", content)

        monkeypatch.setitem(
            sys.modules, "gdown", SimpleNamespace(download=download, exceptions=gdown.exceptions)
        )
        monkeypatch.chdir(tmp_path)
        return handed_out

    @pytest.mark.usefixtures("drive")
    @pytest.mark.parametrize("name", ["lf_amazon_131k", "LF-Amazon-131K"])
    def test_a_set_arrives_unpacked_where_its_config_looks_for_it(self, name, tmp_path, capsys):
        main(["download", name])

        assert names_below(tmp_path) == {f"data/LF-Amazon-131K/{file}" for file in SPLIT}
        said = refuse(capsys, "validate", name)
        assert "expected 294805 train_points, found 3 in data/LF-Amazon-131K" in said

    def test_twice_is_once(self, drive, capsys):
        main(["download", "lf_amazon_131k", "--out", "sets"])
        main(["download", "lf_amazon_131k", "--out", "sets"])

        assert len(drive) == 1
        assert "sets/LF-Amazon-131K exists already" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("lf_wikipedia_500k", f"LF-Wikipedia-500K: no link is known; take the files from {REPOSITORY}"),
            ("lf_wordnet_8k", "LF-WordNet-8K is not a published data set: there is nothing to download"),
            ("lf_unheard_of", "lf_unheard_of: expected a folder or one of"),
        ],
    )
    def test_without_a_link_there_is_the_page(self, name, message, drive, capsys):
        assert message in refuse(capsys, "download", name)
        assert drive == []

    def test_without_gdown_there_is_a_way(self, monkeypatch, tmp_path, capsys):
        monkeypatch.setitem(sys.modules, "gdown", None)
        monkeypatch.chdir(tmp_path)

        assert "pip install 'xcgraph[download]'" in refuse(capsys, "download", "lf_amazon_131k")


def test_options_name_all_layouts():
    assert [layout.name for layout in all_layouts()] == list(LAYOUTS)
