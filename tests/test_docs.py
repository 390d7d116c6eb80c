"""docs/formats.md holds what it says: its examples are read for real, its mistakes are made and refused."""

import gzip
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml
from hydra import compose, initialize_config_module
from hydra.utils import instantiate

from xcgraph.cli.data import build_parser
from xcgraph.errors import UserError
from xcgraph.formats.folder import find_layout, read_folder
from xcgraph.formats.layouts import all_layouts
from xcgraph.formats.sparse_text import read_rows
from xcgraph.storage.artifacts import ArtifactStore
from xcgraph.text.vectorizer import WordVectorizer

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "formats.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
LAYOUTS = [layout.name for layout in all_layouts()]
LABELS = [[1, 0, 1], [0, 1, 0]], [[0, 0, 1]]


def example_files(title):
    """The files that a section shows: the first name before each block of text, and the block."""
    blocks = re.findall(
        r"^(`[^`\n]+`.*?)\n\n```(?:text|json)\n(.*?)```", SECTIONS[title], re.MULTILINE | re.DOTALL
    )
    return {re.findall(r"`([^`]+)`", before)[0]: content for before, content in blocks}


def table_cells(title):
    """The cells of a section's table, without the marks of code."""
    rows = [line.strip("|").split("|") for line in SECTIONS[title].splitlines() if line.startswith("|")]
    return [[cell.strip(" ").strip("`") for cell in row] for row in rows[2:]]


def write_files(folder, files):
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(content, "utf-8")
    return folder


def read(folder, cache, layout=None):
    return read_folder(
        folder,
        name="example",
        cache=ArtifactStore(cache),
        layout=layout,
        text=WordVectorizer(min_df=1),
        propensity_a=0.55,
        propensity_b=1.5,
    )


def test_every_layout_has_a_section_and_a_row():
    assert [cells[0] for cells in re.findall(r"^\| \[`(\w+)`\]\(#(\w+)\)", PAGE, re.MULTILINE)] == LAYOUTS
    assert set(LAYOUTS) <= set(SECTIONS)
    assert "the first of " + ", ".join(f"`{name}`" for name in LAYOUTS) in " ".join(PAGE.split())


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_example_of_a_layout_is_found_out_and_read(layout, packed, tmp_path):
    folder = write_files(tmp_path / "example", example_files(layout))
    if packed:
        for path in list(folder.iterdir()):
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()

    assert find_layout(folder).name == layout
    data = read(folder, tmp_path / "cache")

    for split, expected in zip((data.train, data.test), LABELS, strict=True):
        assert split.labels.toarray().tolist() == expected
        assert (np.diff(split.features.indptr) > 0).all()
    assert bool(data.label_names) == (layout in ("json", "texts"))


def test_split_and_single_file_hold_the_same_features(tmp_path):
    split, single_file = (
        read(write_files(tmp_path / layout, example_files(layout)), tmp_path / "cache")
        for layout in ("split", "single_file")
    )

    assert split.fingerprint == single_file.fingerprint


def test_a_title_alone_makes_other_features(tmp_path):
    folder = write_files(tmp_path / "example", example_files("json"))
    overrides = ["data=xc_folder", "data.fields=[title]", f"data.path={folder}", f"paths.root={tmp_path}"]
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        config = compose("train", [*overrides, "text.min_df=1"])

    titles, both = instantiate(config.data).read(), read(folder, tmp_path / "cache")

    assert set(both.vocabulary) - set(titles.vocabulary) == {"fruit", "of", "sweet"}


def test_files_beside_a_layout_are_read(tmp_path):
    files = {
        **example_files("split"),
        **example_files("Beside any layout"),
        **example_files("Beside sparse features"),
    }

    data = read(write_files(tmp_path / "example", files), tmp_path / "cache")

    assert data.train.filter_pairs.tolist() == [[0, 1], [1, 0]]
    assert data.metadata["category"].train.toarray().tolist() == [[1, 0], [1, 1]]
    assert data.label_features.toarray().tolist() == [[1, 0, 0, 0], [0, 1, 0.5, 0], [0, 0, 0, 1]]
    assert data.vocabulary == ("apple", "pear", "fruit", "red")


def test_the_python_example_runs_and_what_it_writes_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(code) == 1

    exec(compile(code[0], "formats.md", "exec"), variables := {})

    written, back = variables["data"], read(tmp_path / "fruit", tmp_path / "cache")
    assert back.label_names == written.label_names == ("apple", "green", "pear", "red")
    assert back.train.labels.toarray().tolist() == written.train.labels.toarray().tolist()


def read_line(line, folder):
    path = folder / "trn_X_Xf.txt"
    path.write_text(f"1 4\n{line}\n", "utf-8")
    return read_rows(path, ArtifactStore(folder / "cache"))


@pytest.mark.parametrize("cells", table_cells("What is mended"), ids=lambda cells: cells[0])
def test_a_line_that_is_mended(cells, tmp_path):
    line, meaning, _ = cells

    np.testing.assert_array_equal(read_line(line, tmp_path).toarray(), read_line(meaning, tmp_path).toarray())
    assert line != meaning


@pytest.mark.parametrize("cells", table_cells("What is refused"), ids=lambda cells: cells[0])
def test_a_line_that_is_refused(cells, tmp_path):
    line, sentence = cells

    with pytest.raises(UserError, match=re.escape(f"trn_X_Xf.txt, {sentence}")):
        read_line(line, tmp_path)


def test_the_published_sets_are_those_of_the_configs():
    cells = table_cells("The published sets")
    configs = {
        file.stem: yaml.safe_load(file.read_text()) for file in (ROOT / "conf" / "data").glob("*.yaml")
    }
    published = {name: config for name, config in configs.items() if "download" in config}

    assert {row[0] for row in cells} == set(published)
    for name, *numbers, constants, how in cells:
        config = published[name]
        assert [int(number.replace(",", "")) for number in numbers] == list(config["statistics"].values())
        assert constants == f"{config['propensity_a']}, {config['propensity_b']}"
        assert ("download" in how) == (config["download"]["drive_id"] is not None)


COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]


@pytest.mark.parametrize("line", COMMANDS)
def test_command_is_one(line):
    script, *arguments = shlex.split(line)
    if script == "xcgraph-data":
        assert callable(build_parser().parse_args(arguments).run)
    else:
        with initialize_config_module("xcgraph.conf", version_base="1.3"):
            assert compose(script.removeprefix("xcgraph-"), arguments)
