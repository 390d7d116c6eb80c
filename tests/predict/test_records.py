"""Any name can be written as JSON and read back."""

import json

from hypothesis import given
from hypothesis import strategies as st

from xcgraph.predict.records import to_json


@given(st.text(st.characters(codec=None), max_size=20))
def test_any_name_can_be_written_and_read_back(name):
    line = to_json({"name": name})

    line.encode("utf-8")
    joined = name.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")  # adjacent surrogates
    assert json.loads(line) == {"name": joined}


def test_names_are_not_escaped():
    assert to_json({"name": "яблоко"}) == '{"name": "яблоко"}'


def test_lone_surrogate_is_escaped():
    assert to_json({"name": "\ud800"}) == r'{"name": "\ud800"}'
