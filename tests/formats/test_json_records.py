import json

import numpy as np
import pytest

from xcgraph.errors import UserError
from xcgraph.formats.json_records import JsonTexts, read_targets

RECORDS = [
    {
        "uid": "A1",
        "title": "red wine",
        "content": "of France",
        "target_ind": [2, 0],
        "target_rel": [1.0, 1.0],
    },
    {"uid": "A2", "title": "tea", "content": "", "target_ind": [], "target_rel": []},
    {"uid": "A3", "title": "milk", "target_ind": [1]},
]


def dump(*records):
    return [json.dumps(record) for record in records]


@pytest.mark.parametrize("name", ["trn.json", "trn.json.gz"])
@pytest.mark.parametrize(
    ("fields", "texts"),
    [
        (("title",), ["red wine", "tea", "milk"]),
        (("title", "content"), ["red wine of France", "tea", "milk"]),
        (("content", "title"), ["of France red wine", "tea", "milk"]),
    ],
)
def test_texts_are_fields_with_blanks_between(folder, name, fields, texts):
    records = JsonTexts(folder.write(name, *dump(*RECORDS)), fields)

    assert list(records) == list(records) == texts
    assert records.note() == ""


def test_null_adds_nothing(folder):
    path = folder.write("lbl.json", '{"title": "tea", "content": null}', '{"title": null}')

    assert list(JsonTexts(path, ("title", "content"))) == ["tea", ""]


def test_half_a_character_is_replaced(folder):
    path = folder.write("lbl.json", r'{"title": "tea \ud83c\udf75 \ud83c"}')

    assert list(JsonTexts(path, ("title",))) == ["tea 🍵 \N{REPLACEMENT CHARACTER}"]


def test_latin_1_is_read_and_noted(folder):
    path = folder.write("lbl.json", '{"title": "thé"}', '{"title": "tea"}', encoding="latin-1")
    records = JsonTexts(path, ("title",))

    assert list(records) == ["thé", "tea"]
    assert records.note() == "1 lines are not UTF-8, the first is line 1: read as Latin-1"


def test_inputs_are_content_and_fields(folder):
    path = folder.write("lbl.json", '{"title": "tea"}')
    one, two = JsonTexts(path, ("title",)).inputs(), JsonTexts(path, ("title", "content")).inputs()

    assert one != two
    folder.write("lbl.json", '{"title": "te"}')
    assert JsonTexts(path, ("title",)).inputs() != one


def test_targets_are_sorted_ones(folder):
    labels = read_targets(folder.write("trn.json", *dump(*RECORDS)), 4, folder.cache)

    np.testing.assert_array_equal(labels.toarray(), [[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 0]])
    assert labels.has_canonical_format
    assert isinstance(labels.data.base, np.memmap)


def test_targets_of_many_records_come_in_their_order(folder, monkeypatch):
    monkeypatch.setattr("xcgraph.formats.json_records._BATCH", 3)
    path = folder.write("trn.json", *dump(*({"target_ind": [n % 7]} for n in range(10))))

    assert read_targets(path, 7, folder.cache).indices.tolist() == [n % 7 for n in range(10)]


def test_targets_ascend_in_each_row(folder):
    path = folder.write("trn.json", '{"target_ind": [33, 1, 32, 8]}')

    assert read_targets(path, 40, folder.cache).indices.tolist() == [1, 8, 32, 33]


def test_repeated_targets_count_once_and_relevance_0_not_at_all(folder):
    path = folder.write("trn.json", '{"target_ind": [3, 1, 3, 2], "target_rel": [1, 0, 0.5, 2]}')
    labels = read_targets(path, 4, folder.cache)

    np.testing.assert_array_equal(labels.toarray(), [[0, 0, 1, 1]])


def test_targets_depend_on_content_and_on_the_number_of_labels(folder):
    path = folder.write("trn.json", '{"target_ind": [1]}')

    assert read_targets(path, 2, folder.cache).shape == (1, 2)
    assert read_targets(path, 3, folder.cache).shape == (1, 3)
    folder.write("trn.json", '{"target_ind": [0]}')
    assert read_targets(path, 3, folder.cache).indices.tolist() == [0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"target_ind": [0]',
            r"expected one JSON object, found '\{\"target_ind\": \[0\]' \(.*\); correct the",
        ),
        ("", "expected one JSON object, found a blank line; correct the line"),
        ("[" * 100_000, "expected one JSON object, found '"),
        ('["target_ind"]', "expected one JSON object with fields, found"),
        ('{"title": "tea"}', "expected a list of labels in target_ind, found None"),
        ('{"target_ind": 3}', "expected a list of labels in target_ind, found 3"),
        ('{"target_ind": [4]}', "expected labels from 0 to 3 in target_ind, found 4; correct the line or"),
        ('{"target_ind": [-1]}', "expected labels from 0 to 3 in target_ind, found -1"),
        ('{"target_ind": [1.0]}', r"expected labels from 0 to 3 in target_ind, found 1\.0"),
        ('{"target_ind": [true]}', "expected labels from 0 to 3 in target_ind, found True"),
        ('{"target_ind": [1, 2], "target_rel": [1]}', "expected 2 relevances .* one for each .* found 1;"),
        ('{"target_ind": [1], "target_rel": []}', "expected 1 relevances in target_rel, .* found 0;"),
        ('{"target_ind": [1], "target_rel": 1}', "expected 1 relevances in target_rel, .* found 1;"),
        ('{"target_ind": [1], "target_rel": [-1]}', "expected relevances ≥ 0 in target_rel, found -1"),
        ('{"target_ind": [1], "target_rel": [NaN]}', "expected relevances ≥ 0 in target_rel, found nan"),
        ('{"target_ind": [1], "target_rel": ["1"]}', "expected relevances ≥ 0 in target_rel, found '1'"),
    ],
)
def test_mistakes_in_targets_name_file_and_line(folder, line, message):
    path = folder.write("trn.json", '{"target_ind": [0]}', line, '{"target_ind": []}')

    with pytest.raises(UserError, match=rf"trn\.json, line 2: {message}"):
        read_targets(path, 4, folder.cache)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"name": "tea", "uid": 3}',
            "expected some of the fields title, content, found name, uid; name others",
        ),
        ('{"title": 3}', "expected text in the fields title, content, found 3; correct"),
        ("tea", "expected one JSON object, found 'tea'"),
    ],
)
def test_mistakes_in_texts_name_file_and_line(folder, line, message):
    path = folder.write("lbl.json", '{"title": "tea"}', line)

    with pytest.raises(UserError, match=rf"lbl\.json, line 2: {message}"):
        list(JsonTexts(path, ("title", "content")))
