"""Lines are answered whole, in order and as they arrive; a bad line is answered with its error."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xcgraph.predict.predictor import Predictor
from xcgraph.predict.stream import LONGEST_LINE, answers, batches_of_lines, parse_line

from .test_folder import with_words
from .test_inputs import Words


@pytest.fixture(scope="module")
def predictor(trained):
    return Predictor(with_words(trained("eclare")[1], Words))


def reading(chunks):
    """Return a read function that ignores the size and returns one chunk per call."""
    remaining = iter(chunks)
    return lambda _: next(remaining, b"")


@given(st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=30), st.data())
def test_lines_do_not_depend_on_chunks(lines, data):
    content = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.sets(st.integers(1, max(len(content) - 1, 1)), max_size=8)))
    chunks = [content[start:end] for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    max_lines = data.draw(st.integers(1, 5))

    batches = list(batches_of_lines(reading([chunk for chunk in chunks if chunk]), max_lines))

    assert [line for batch in batches for line in batch] == lines
    assert all(1 <= len(batch) <= max_lines for batch in batches)


def test_last_line_needs_no_line_feed():
    assert list(batches_of_lines(reading([b"one\ntw", b"o"]), 9)) == [[b"one"], [b"two"]]


def test_available_lines_are_yielded_before_the_next_read():
    asked = []

    def read(size):
        asked.append(size)
        return [b"one\ntwo\nth", b"ree\n", b""][len(asked) - 1]

    batches = batches_of_lines(read, 9)

    assert next(batches) == [b"one", b"two"]
    assert len(asked) == 1


def test_huge_line_is_bad_and_not_held_in_memory(predictor):
    chunk, held = b"x" * (1 << 16), []
    chunks = [*[chunk] * 200, b"\nred\n"]
    lines = []
    for batch in batches_of_lines(reading(chunks), 9):
        lines += batch
        held += [len(line) for line in batch]

    assert max(held) <= LONGEST_LINE + 1 + len(chunk)
    parsed = [parse_line(line, number, predictor, is_json=False) for number, line in enumerate(lines, 1)]
    assert [bool(line.error) for line in parsed] == [True, False]
    assert f"at most {LONGEST_LINE} bytes" in parsed[0].error


@pytest.mark.parametrize(
    ("content", "item", "key"),
    [
        (b'{"text": "red pear"}', "red pear", None),
        (b'{"text": "red", "id": [7], "note": 1}\r', "red", [7]),
        (b'{"tokens": {"red": 1, "unknown": 2.5}}', {"red": 1, "unknown": 2.5}, None),
        (b'{"features": {"0": 1.5, "2": 1}}', {0: 1.5, 2: 1}, None),
        (b'"red"', "red", None),
        (b'\xef\xbb\xbf{"text": "red"}', "red", None),
    ],
)
def test_json_line_is_parsed(content, item, key, predictor):
    line = parse_line(content, 1, predictor, is_json=True)

    assert (line.error, line.item, line.key) == ("", item, key)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "found an empty line"),
        (b" \t\r", "found an empty line"),
        (b"\xc3", "UTF-8, found the byte 0xc3"),
        (b"r\0e\0", "UTF-8, found a NUL byte"),
        (b"{", "expected JSON, found"),
        (b"[" * 100_000, "expected JSON, found"),
        (b"1" * 5000, "expected JSON, found"),
        (b"7", "one of text, tokens, features, found 7"),
        (b"{}", "one of text, tokens, features, found an empty object"),
        (b'{"txt": "red"}', "one of text, tokens, features, found the keys 'txt'"),
        (b'{"text": "red", "tokens": {}}', "found text and tokens"),
        (b'{"text": {"red": 1}}', "text: expected a text, found {'red': 1}"),
        (b'{"tokens": "red"}', "tokens: expected an object of weights, found 'red'"),
        (b'{"tokens": null}', "tokens: expected an object of weights, found None"),
        (b'{"tokens": {"red": "1"}}', "expected a finite weight"),
        (b'{"tokens": {"red": 1e999}}', "expected a finite weight"),
        (b'{"tokens": {"red": NaN}}', "expected a finite weight"),
        (b'{"tokens": {"red": 1%s}}' % (b"0" * 400), "expected a finite weight"),
        (rb'{"text": "red \ud800"}', "Unicode, found the lone surrogate '\\ud800'"),
        (b'{"features": {"red": 1}}', "features: expected column numbers as keys, found 'red'"),
        (b'"\\udfff"', "Unicode, found the lone surrogate '\\udfff'"),
        (b'{"text": "red", "id": "\\ud800"}', "id: expected JSON of at most 1000 bytes, found '\\ud800'"),
        (b'{"text": "red", "id": NaN}', "id: expected JSON of at most 1000 bytes, found nan"),
        (b'{"text": "red", "id": ' + b"[" * 800 + b"]" * 800 + b"}", "id: expected JSON of at most 1000"),
        (b'{"features": {"+1": 1}}', "features: expected column numbers as keys, found '+1'"),
        (b'{"features": {"01": 1}}', "features: expected column numbers as keys, found '01'"),
        (b'{"features": {"%s": 1}}' % (b"9" * 5000), "features: expected column numbers as keys, found '999"),
        (b'{"features": {"3": 1}}', "token columns from 0 to 2, found 3"),
    ],
)
def test_bad_json_line_has_an_error(content, message, predictor):
    line = parse_line(content, 3, predictor, is_json=True)

    assert line.item is None
    assert message in line.error


@given(content=st.binary(max_size=200))
def test_any_bytes_give_an_item_or_an_error(content, predictor):
    for is_json in (False, True):
        line = parse_line(content, 1, predictor, is_json=is_json)
        assert (line.item is None) == bool(line.error)


def test_answers_keep_order_and_line_numbers(predictor):
    contents = [b'{"text": "red", "id": "a"}', b"{", b'{"id": 2}', b'{"text": "pear"}']
    lines = [
        parse_line(content, number, predictor, is_json=True) for number, content in enumerate(contents, 5)
    ]

    found = list(answers(lines, predictor, 2, explain=False))

    assert [answer["line"] for answer in found] == [5, 6, 7, 8]
    assert [answer.get("id") for answer in found] == ["a", None, None, None]
    assert ["error" in answer for answer in found] == [False, True, True, False]
    for answer, text in ((found[0], "red"), (found[3], "pear")):
        expected = predictor.predict([text], 2)[0]
        assert [label["label"] for label in answer["labels"]] == [each.label for each in expected]
        scores = [label["score"] for label in answer["labels"]]
        assert scores == pytest.approx([each.score for each in expected], rel=1e-5)


def test_inputs_without_a_known_token_are_flagged(predictor):
    contents = [b"red", "🍏".encode()]
    lines = [
        parse_line(content, number, predictor, is_json=False) for number, content in enumerate(contents, 1)
    ]

    found = list(answers(lines, predictor, 2, explain=False))

    assert [answer["known"] for answer in found] == [True, False]
    assert [len(answer["labels"]) for answer in found] == [2, 2]


def test_explanations_are_json_with_names(predictor):
    lines = [parse_line(b"red", 1, predictor, is_json=False)]

    (answer,) = json.loads(json.dumps(list(answers(lines, predictor, 2, explain=True))))

    (tree,) = answer["labels"][0]["trees"]
    assert set(tree) == {"meta_label", "rank", "meta", "probability", "score", "views"}
    assert set(tree["views"]) == {"text", "graph", "refinement"}
    neighbours = tree["score"]["neighbours"]
    assert 0 < len(neighbours) <= 5
    assert all(each["name"] == f"label {each['label']} ☃" for each in neighbours)
