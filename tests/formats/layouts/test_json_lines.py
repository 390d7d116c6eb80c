import json

import pytest

from xcgraph.errors import UserError
from xcgraph.formats.folder import write_folder
from xcgraph.formats.layouts.json_lines import JsonLines

POINT = '{"uid": "1", "title": "red", "content": "wine", "target_ind": [0], "target_rel": [1.0]}'
LABEL = '{"uid": "2", "title": "wine", "content": "of grapes"}'


@pytest.fixture
def raw(folder):
    folder.write("trn.json.gz", POINT, POINT)
    folder.write("tst.json.gz", POINT)
    folder.write("lbl.json.gz", LABEL)
    return folder


def test_written_records_have_the_repository_fields(folder, data, texts):
    write_folder(data, folder.path, "json", texts=texts)

    first, *others = map(json.loads, (folder.path / "trn.json").read_text("utf-8").splitlines())
    assert first == {
        "uid": "0",
        "title": "red wine of france",
        "content": "",
        "target_ind": [1, 2],
        "target_rel": [1.0, 1.0],
    }
    assert len(others) == 4
    label = json.loads((folder.path / "lbl.json").read_text("utf-8").splitlines()[1])
    assert label == {"uid": "1", "title": "red things", "content": ""}


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        (("title", "content"), ("grapes", "of", "red", "wine")),
        (("title",), ("red", "wine")),
        (("content",), ("grapes", "of", "wine")),
    ],
)
def test_fields_select_the_texts(raw, fields, tokens):
    assert raw.read(layout=JsonLines(fields)).vocabulary == tokens


def test_default_fields_are_title_and_content(raw):
    assert raw.read().fingerprint == raw.read(layout=JsonLines(("title", "content"))).fingerprint


def test_label_name_is_the_first_field(raw):
    assert raw.read().label_names == ("wine",)
    assert raw.read(layout=JsonLines(("content", "title"))).label_names == ("of grapes",)


def test_folder_error_names_file_and_line(raw):
    raw.write("tst.json.gz", POINT, POINT.replace("[0]", "[1]"))

    with pytest.raises(UserError, match=r"tst\.json\.gz, line 2: .*0 to 0 in target_ind, found 1"):
        raw.read()


def test_empty_fields_are_refused():
    with pytest.raises(UserError, match=r"data\.fields: .*\[title, content\], found an empty list"):
        JsonLines(())
