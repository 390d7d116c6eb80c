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
def test_text_joins_fields_with_spaces(folder, name, fields, texts):
    records = JsonTexts(folder.write(name, *dump(*RECORDS)), fields)

    assert list(records) == list(records) == texts
    assert records.note() == ""


def test_null_field_adds_nothing(folder):
    path = folder.write("lbl.json", '{"title": "tea", "content": null}', '{"title": null}')

    assert list(JsonTexts(path, ("title", "content"))) == ["tea", ""]


def test_lone_surrogate_is_replaced(folder):
    path = folder.write("lbl.json", r'{"title": "tea \ud83c\udf75 \ud83c"}')

    assert list(JsonTexts(path, ("title",))) == ["tea 🍵 \N{REPLACEMENT CHARACTER}"]


def test_latin_1_line_is_read_and_noted(folder):
    path = folder.write("lbl.json", '{"title": "thé"}', '{"title": "tea"}', encoding="latin-1")
    records = JsonTexts(path, ("title",))

    assert list(records) == ["thé", "tea"]
    assert records.note() == "1 lines are not UTF-8, the first is line 1: read as Latin-1"


def test_inputs_depend_on_content_and_fields(folder):
    path = folder.write("lbl.json", '{"title": "tea"}')
    one, two = JsonTexts(path, ("title",)).inputs(), JsonTexts(path, ("title", "content")).inputs()

    assert one != two
    folder.write("lbl.json", '{"title": "te"}')
    assert JsonTexts(path, ("title",)).inputs() != one


def test_targets_are_sorted_ones_on_disk(folder):
    labels = read_targets(folder.write("trn.json", *dump(*RECORDS)), 4, folder.cache)

    np.testing.assert_array_equal(labels.toarray(), [[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 0]])
    assert labels.has_canonical_format
    assert isinstance(labels.data.base, np.memmap)


def test_targets_of_many_batches_keep_the_order_of_records(folder, monkeypatch):
    monkeypatch.setattr("xcgraph.formats.json_records._RECORDS_PER_BATCH", 3)
    path = folder.write("trn.json", *dump(*({"target_ind": [n % 7]} for n in range(10))))

    assert read_targets(path, 7, folder.cache).indices.tolist() == [n % 7 for n in range(10)]


def test_targets_ascend_in_each_row(folder):
    path = folder.write("trn.json", '{"target_ind": [33, 1, 32, 8]}')

    assert read_targets(path, 40, folder.cache).indices.tolist() == [1, 8, 32, 33]


def test_target_of_relevance_0_is_no_label(folder):
    path = folder.write("trn.json", '{"target_ind": [3, 1, 2], "target_rel": [0.5, 0, 2]}')
    labels = read_targets(path, 4, folder.cache)

    np.testing.assert_array_equal(labels.toarray(), [[0, 0, 1, 1]])


@pytest.mark.parametrize(
    ("targets", "match"),
    [
        ("[0, 1, 0, 1]", r"found 0 more than once; .*indicator row.* ids of the labels, here \[1, 3\]"),
        ("[1, 0, 0, 0]", r"found 0 more than once; .*indicator row.* ids of the labels, here \[0\]"),
        ("[0, 0, 0, 0]", r"found 0 more than once; .*indicator row.* ids of the labels, here \[\]"),
        ("[1, 1]", r"found 1 more than once; .*indicator row.* ids of the labels, here \[0, 1\]"),
        ("[3, 1, 3, 2]", "found 3 more than once; give each id once"),
        ('[3, 3], "target_rel": [1, 0]', "found 3 more than once; give each id once"),
    ],
)
def test_repeated_target_is_refused_with_a_remedy(folder, targets, match):
    path = folder.write("trn.json", '{"target_ind": [0, 1]}', f'{{"target_ind": {targets}}}')

    with pytest.raises(UserError, match=rf"trn\.json, line 2: .*target_ind, {match}"):
        read_targets(path, 4, folder.cache)


@pytest.mark.parametrize("end", [("",), ("", " ", "\t\r")])
def test_blank_lines_at_the_end_are_ignored(folder, end):
    path = folder.write("trn.json", *dump(*RECORDS), *end)

    assert read_targets(path, 4, folder.cache).shape == (3, 4)
    assert list(JsonTexts(path, ("title",))) == ["red wine", "tea", "milk"]


@pytest.mark.parametrize("blank", ["", " ", "\t\r"])
def test_blank_line_before_the_last_record_is_refused(folder, blank):
    first, *others = dump(*RECORDS)
    path = folder.write("trn.json", first, blank, *others)

    for read in (lambda: read_targets(path, 4, folder.cache), lambda: list(JsonTexts(path, ("title",)))):
        with pytest.raises(UserError, match=r"trn\.json, line 2: .*JSON object, found a blank line"):
            read()


def test_cached_targets_depend_on_content_and_number_of_labels(folder):
    path = folder.write("trn.json", '{"target_ind": [1]}')

    assert read_targets(path, 2, folder.cache).shape == (1, 2)
    assert read_targets(path, 3, folder.cache).shape == (1, 3)
    folder.write("trn.json", '{"target_ind": [0]}')
    assert read_targets(path, 3, folder.cache).indices.tolist() == [0]


@pytest.mark.parametrize(
    ("line", "match"),
    [
        (
            '{"target_ind": [0]',
            r"JSON object, found '\{\"target_ind\": \[0\]' \(.*\)",
        ),
        ("", "JSON object, found a blank line"),
        ("[" * 100_000, "JSON object, found '"),
        ('["target_ind"]', "JSON object with fields, found .*target_ind"),
        ('{"title": "tea"}', "list .* in target_ind, found None"),
        ('{"target_ind": 3}', "list .* in target_ind, found 3"),
        ('{"target_ind": [4]}', "labels from 0 to 3 in target_ind, found 4"),
        ('{"target_ind": [-1]}', "labels from 0 to 3 in target_ind, found -1"),
        ('{"target_ind": [1.0]}', r"labels from 0 to 3 in target_ind, found 1\.0"),
        ('{"target_ind": [true]}', "labels from 0 to 3 in target_ind, found True"),
        ('{"target_ind": [1, 2], "target_rel": [1]}', "2 relevances in target_rel, .* found 1;"),
        ('{"target_ind": [1], "target_rel": []}', "1 relevances in target_rel, .* found 0;"),
        ('{"target_ind": [1], "target_rel": 1}', "1 relevances in target_rel, .* found 1;"),
        ('{"target_ind": [1], "target_rel": [-1]}', "at least 0 in target_rel, found -1"),
        ('{"target_ind": [1], "target_rel": [NaN]}', "at least 0 in target_rel, found nan"),
        ('{"target_ind": [1], "target_rel": ["1"]}', "at least 0 in target_rel, found '1'"),
    ],
)
def test_target_error_names_file_line_and_value(folder, line, match):
    path = folder.write("trn.json", '{"target_ind": [0]}', line, '{"target_ind": []}')

    with pytest.raises(UserError, match=rf"trn\.json, line 2: .*{match}"):
        read_targets(path, 4, folder.cache)


@pytest.mark.parametrize(
    ("line", "match"),
    [
        (
            '{"name": "tea", "uid": 3}',
            "fields title, content, found name, uid; .*data.fields",
        ),
        ('{"title": 3}', "text in the fields title, content, found 3"),
        ("tea", "JSON object, found 'tea'"),
    ],
)
def test_text_error_names_file_line_and_value(folder, line, match):
    path = folder.write("lbl.json", '{"title": "tea"}', line)

    with pytest.raises(UserError, match=rf"lbl\.json, line 2: .*{match}"):
        list(JsonTexts(path, ("title", "content")))
