"""Execute docs/formats.md: read its examples, and check that its errors are refused as described."""

import gzip
import os
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
from xcgraph.formats.json_records import read_targets
from xcgraph.formats.layouts import all_layouts
from xcgraph.formats.sparse_text import read_rows
from xcgraph.storage.artifacts import ArtifactStore
from xcgraph.text.vectorizer import WordVectorizer

from .warm_process import WarmProcess

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "formats.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
LAYOUTS = [layout.name for layout in all_layouts()]
LABELS = [[1, 0, 1], [0, 1, 0]], [[0, 0, 1]]


def example_files(title):
    """Return the files that a section shows: the first name before each block, and the block."""
    blocks = re.findall(
        r"^(`[^`\n]+`.*?)\n\n```(?:text|json)\n(.*?)```", SECTIONS[title], re.MULTILINE | re.DOTALL
    )
    return {re.findall(r"`([^`]+)`", before)[0]: content for before, content in blocks}


def table_cells(title, number=0):
    """Return the cells of one of a section's tables, without the code marks."""
    table = re.findall(r"(?:^\|.*\n)+", SECTIONS[title], re.MULTILINE)[number]
    rows = [line.strip("|").split("|") for line in table.splitlines()]
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
    assert "it takes the first of " + ", ".join(f"`{name}`" for name in LAYOUTS) in " ".join(PAGE.split())


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_example_is_recognized_and_read(layout, packed, tmp_path):
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


def test_split_and_single_file_examples_are_equal(tmp_path):
    split, single_file = (
        read(write_files(tmp_path / layout, example_files(layout)), tmp_path / "cache")
        for layout in ("split", "single_file")
    )

    assert split.fingerprint == single_file.fingerprint


def test_data_fields_selects_the_title(tmp_path):
    folder = write_files(tmp_path / "example", example_files("json"))
    overrides = ["data=xc_folder", "data.fields=[title]", f"data.path={folder}", f"paths.root={tmp_path}"]
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        config = compose("train", [*overrides, "text.min_df=1"])

    titles, both = instantiate(config.data).read(), read(folder, tmp_path / "cache")

    assert set(both.vocabulary) - set(titles.vocabulary) == {"fruit", "of", "sweet"}


def test_optional_files_are_read(tmp_path):
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


def test_python_example_writes_a_folder_that_its_command_trains_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(code) == 1

    exec(compile(code[0], "formats.md", "exec"), variables := {})

    written, back = variables["data"], read(tmp_path / "fruit", tmp_path / "cache")
    assert back.label_names == written.label_names == ("apple", "green", "pear", "red")
    assert back.train.labels.toarray().tolist() == written.train.labels.toarray().tolist()

    command = re.search(r"To train on the folder:\n\n```sh\n(.*?)\n```", PAGE)[1]
    script, *arguments = shlex.split(command)
    process = WarmProcess(script.removeprefix("xcgraph-"), arguments, cwd=tmp_path, env=dict(os.environ))
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert len(list(tmp_path.glob("runs/fruit/eclare/*/metrics.json"))) == 1


def read_line(line, folder):
    path = folder / "trn_X_Xf.txt"
    path.write_text(f"1 4\n{line}\n", "utf-8")
    return read_rows(path, ArtifactStore(folder / "cache"))


@pytest.mark.parametrize("cells", table_cells("What is repaired"), ids=lambda cells: cells[0])
def test_line_is_repaired(cells, tmp_path):
    line, meaning, _ = cells

    np.testing.assert_array_equal(read_line(line, tmp_path).toarray(), read_line(meaning, tmp_path).toarray())
    assert line != meaning


@pytest.mark.parametrize("cells", table_cells("What is refused"), ids=lambda cells: cells[0])
def test_line_is_refused(cells, tmp_path):
    line, sentence = cells

    with pytest.raises(UserError, match=re.escape(f"trn_X_Xf.txt, {sentence}")):
        read_line(line, tmp_path)


@pytest.mark.parametrize("cells", table_cells("What is refused", 1), ids=lambda cells: cells[0])
def test_list_of_targets_is_refused(cells, tmp_path):
    targets, sentence = cells
    (tmp_path / "trn.json").write_text(f'{{"target_ind": {targets}}}\n', "utf-8")

    with pytest.raises(UserError, match=re.escape(f"trn.json, {sentence}")):
        read_targets(tmp_path / "trn.json", 3, ArtifactStore(tmp_path / "cache"))


# For each row of the table: layouts, and one file of each.
BLANK_LINES = {
    "sparse text": [("split", "tst_X_Xf.txt"), ("split", "tst_X_Y.txt"), ("single_file", "test.txt")],
    "one text or name on each line": [("texts", "tst_X.txt")],
    "JSON, filter pairs": [("json", "tst.json"), ("json", "filter_labels_test.txt")],
}


def test_every_row_about_blank_lines_is_tested():
    assert [cells[0] for cells in table_cells("Blank lines")] == list(BLANK_LINES)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_blank_lines_at_the_end_of_every_file_are_ignored(layout, tmp_path):
    files = {**example_files(layout), "filter_labels_test.txt": "0 1\n"}
    expected = read(write_files(tmp_path / "example", files), tmp_path / "cache")
    blank = {name: f"{content}\n \t\n" for name, content in files.items()}

    found = read(write_files(tmp_path / "blank", blank), tmp_path / "cache")

    assert found.fingerprint == expected.fingerprint


@pytest.mark.parametrize(
    ("kind", "layout", "name"), [(kind, *file) for kind, files in BLANK_LINES.items() for file in files]
)
def test_blank_line_before_the_last_row(kind, layout, name, tmp_path):
    files = {**example_files(layout), "filter_labels_test.txt": "0 1\n"}
    first, *lines = files[name].splitlines()
    if kind == "sparse text":  # the header declares one more row
        rows, *columns = first.split()
        files[name] = "\n".join([" ".join([str(int(rows) + 1), *columns]), "", *lines])
    else:
        files[name] = "\n".join(["", first, *lines])
    folder = write_files(tmp_path / "example", files)

    is_error = dict(cells[:2] for cells in table_cells("Blank lines"))[kind] == "an error"
    if is_error:
        with pytest.raises(UserError, match=rf"{re.escape(name)}, line 1: .* blank line"):
            read(folder, tmp_path / "cache")
    elif layout == "single_file":
        data = read(folder, tmp_path / "cache")
        assert np.diff(data.test.labels.indptr).tolist() == [0, 1]
        assert np.diff(data.test.features.indptr).tolist() == [0, 2]
    else:  # one more row than the other files have
        with pytest.raises(UserError, match=r"tst_X.*\.txt: .* points, .* found [12];"):
            read(folder, tmp_path / "cache")


def test_published_datasets_match_the_configs():
    cells = table_cells("Published datasets")
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
def test_command_is_valid(line):
    script, *arguments = shlex.split(line)
    if script == "xcgraph-data":
        assert callable(build_parser().parse_args(arguments).run)
    else:
        with initialize_config_module("xcgraph.conf", version_base="1.3"):
            assert compose(script.removeprefix("xcgraph-"), arguments)
