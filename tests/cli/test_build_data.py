"""xcgraph-data build: the folder it writes, and what it says about other versions and missing files."""

import errno
import gzip
import re
from importlib import resources
from pathlib import Path

import pytest
import yaml

from xcgraph.cli import sources
from xcgraph.cli.data import main
from xcgraph.formats.fingerprint import fingerprint_folder

BUILT = ["lf_chebi", "lf_linux", "lf_linux_32k", "lf_metamath"]
NAMES = [f"theorem{number}" for number in range(40)]
SOURCE = "ax-1 $a |- p $.\n" + "".join(
    f"$( Theorem {number}. $) {name} $p |- q $= ( ax-1 {NAMES[number - 1] if number else ''} ) A $.\n"
    for number, name in enumerate(NAMES)
)


def load_config(name):
    return yaml.safe_load(resources.files("xcgraph.conf").joinpath(f"data/{name}.yaml").read_text("utf-8"))


def refuse(capsys, *arguments):
    """Run a command that must be refused, and return what it says."""
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def names_below(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def set_mm(tmp_path, monkeypatch):
    """A small database of another version than the recorded one; the command runs beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set.mm").write_text(SOURCE)
    return tmp_path / "set.mm"


@pytest.fixture
def recorded(monkeypatch):
    """Record the small database as the version of LF-Metamath, and return the record."""
    main(["build", "lf_metamath", "set.mm", "--out", "first", "--any-version"])
    config = load_config("lf_metamath")
    numbers = {
        statistic: gzip.decompress(Path(f"first/LF-Metamath/{file}.json.gz").read_bytes()).count(b"\n")
        for statistic, file in (("train_points", "trn"), ("test_points", "tst"), ("labels", "lbl"))
    }
    config["statistics"] = numbers
    config["build"]["sha256"] = fingerprint_folder(Path("first/LF-Metamath"))
    monkeypatch.setattr(sources, "find_config", lambda _: config)
    return config


def test_recorded_version_is_written(recorded, tmp_path, capsys):
    main(["build", "lf_metamath", "set.mm"])

    assert capsys.readouterr().out.endswith(
        "Written: data/LF-Metamath, licence: CC0-1.0. It is the recorded version.\n"
    )
    assert names_below(tmp_path / "data") == {
        f"LF-Metamath/{name}"
        for name in (
            "trn.json.gz",
            "tst.json.gz",
            "lbl.json.gz",
            "filter_labels_train.txt",
            "filter_labels_test.txt",
        )
    }
    main(["validate", "data/LF-Metamath"])
    assert f"{recorded['statistics']['train_points']} training points" in capsys.readouterr().out


def test_other_version_is_refused_with_the_numbers_that_differ(recorded, tmp_path, capsys):
    recorded["statistics"]["labels"] += 1

    said = refuse(capsys, "build", "lf_metamath", "set.mm")

    labels = recorded["statistics"]["labels"]
    assert f"not the recorded version of LF-Metamath: labels {labels - 1} instead of {labels};" in said
    assert "metamath-databases" in said
    assert "--any-version" in said
    assert not names_below(tmp_path / "data")
    assert not list((tmp_path / "data").iterdir())


def test_other_content_is_refused_by_its_fingerprint(recorded, set_mm, capsys):
    set_mm.write_text(SOURCE.replace("Theorem 7.", "Theorem seven."))

    said = refuse(capsys, "build", "lf_metamath", "set.mm")

    assert re.search(rf"sha256 \w{{64}} instead of {recorded['build']['sha256']}", said)
    assert "train_points" not in said


def test_any_version_writes_and_names_the_numbers_that_differ(capsys, tmp_path):
    main(["build", "LF-Metamath", "set.mm", "--out", "sets", "--any-version"])

    said = capsys.readouterr().out
    for statistic, expected in load_config("lf_metamath")["statistics"].items():
        assert re.search(rf"{statistic} \d+ instead of {expected}", said)
    assert "data.statistics=null" in said
    assert (tmp_path / "sets" / "LF-Metamath" / "trn.json.gz").is_file()


def test_existing_folder_is_left_alone(tmp_path, capsys):
    (tmp_path / "data" / "LF-Metamath").mkdir(parents=True)

    main(["build", "lf_metamath", "nowhere.mm"])

    assert "data/LF-Metamath exists already" in capsys.readouterr().out
    assert not names_below(tmp_path / "data")


@pytest.mark.parametrize("given", [[], ["nowhere.xz"]], ids=["no_argument", "no_file"])
@pytest.mark.parametrize("name", BUILT)
def test_missing_source_says_where_to_get_it(name, given, capsys):
    said = refuse(capsys, "build", name, *given)

    config = load_config(name)
    assert (f"SOURCE of {config['name']}" if not given else "nowhere.xz: no such file") in said
    assert config["build"]["source"] in said


@pytest.mark.parametrize("name", ["lf_wordnet_8k", "lf_amazon_131k"])
def test_set_without_a_source_package_is_refused(name, capsys):
    said = refuse(capsys, "build", name, "set.mm")

    assert "is not built from a source package" in said
    assert "docs/domains.md" in said


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")], ids=repr
)
def test_interrupted_build_leaves_nothing(error, tmp_path, monkeypatch, capsys):
    def stop(*_arguments, **_options):
        raise error

    monkeypatch.setattr("data_modules.builders.metamath.write_raw_set", stop)

    with pytest.raises(SystemExit):
        main(["build", "lf_metamath", "set.mm"])

    assert capsys.readouterr().err
    assert not list((tmp_path / "data").iterdir())


@pytest.mark.parametrize("name", ["lf_chebi", "lf_linux", "lf_linux_32k"])
def test_reading_a_set_before_it_is_built_names_the_command(name, capsys):
    said = refuse(capsys, "validate", name)

    config = load_config(name)
    assert f"'xcgraph-data build {config['name']} SOURCE' ({config['build']['source']})" in said
    assert "data.path=FOLDER" in said
