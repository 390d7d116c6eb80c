import time
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_svmlight_file

from xcgraph.formats.parse import parse_points, parse_rows
from xcgraph.formats.parsed_rows import ParseError

FLOAT32 = np.finfo(np.float32)

# --- values ---------------------------------------------------------------------------------------------


def parse_value(text):
    (entries,) = parse_rows(f"0:{text}\n".encode(), 1)
    assert len(entries.values) == 1
    return entries.values[0]


def python_value(text):
    with np.errstate(over="ignore"):
        return np.float32(float(text))


def assert_as_python(text):
    expected = python_value(text)
    if np.isfinite(expected):
        assert parse_value(text).tobytes() == expected.tobytes(), text
    else:
        with pytest.raises(ParseError, match="range"):
            parse_value(text)


digits = st.text("0123456789", min_size=1, max_size=60)
decimals = st.one_of(
    digits,
    st.builds("{}.".format, digits),
    st.builds(".{}".format, digits),
    st.builds("{}.{}".format, digits, digits),
)
exponents = st.one_of(
    st.just(""),
    st.builds("{}{}{}".format, st.sampled_from("eE"), st.sampled_from(["", "-", "+"]), st.integers(0, 60)),
)


@given(st.builds("{}{}{}".format, st.sampled_from(["", "-", "+"]), decimals, exponents))
@example("1e-5")
@example("1E+3")
@example(".5")
@example("5.")
@example("-0.0")
@example("0e999999999999999999999999")
@example("1e-999999999999999999999999")
@example("1e99999999999999999999999")
@example(f"1e{2**64}")
@example(f"1e-{2**64}")
@example("0" * 400 + "1" + "0" * 10 + "." + "0" * 300 + "1")
@example("0." + "0" * 400 + "1e400")
@example("1" + "0" * 400 + "e-400")
@example("16777217")
@example("9007199254740993")
@example("0.1")
@settings(deadline=None, max_examples=1000)
def test_value_matches_python(text):
    assert_as_python(text)


def exactly(number: Fraction) -> str:
    """Return all digits of a fraction whose denominator is a power of two."""
    twos = number.denominator.bit_length() - 1
    return f"{number.numerator * 5**twos}e-{twos}"


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(-3, 3), st.integers(15, 60))
@settings(deadline=None, max_examples=1000)
def test_value_near_the_midpoint_of_two_float32_matches_python(number, shift, place):
    """Rounding is hardest at a midpoint, and for numbers that differ from it in a late digit."""
    towards_zero = np.nextafter(np.float32(number), np.float32(0))
    midpoint = (Fraction(number) + Fraction(float(towards_zero))) / 2
    moved = midpoint * (1 + Fraction(shift, 10**place))
    assert_as_python(exactly(midpoint))
    assert_as_python(f"{moved.numerator * 10**60 // moved.denominator}e-60")


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(15, 22), st.booleans())
@settings(deadline=None, max_examples=1000)
def test_midpoint_of_two_float32_with_few_digits_matches_python(number, num_digits, as_integer):
    """With few digits, the nearest float64 is the midpoint; an error in its last bit changes the result."""
    midpoint = (Decimal(number) + Decimal(float(np.nextafter(np.float32(number), np.float32(0))))) / 2
    text = f"{midpoint:.{num_digits - 1}e}"
    if as_integer:
        mantissa, _, exponent = text.partition("e")
        text = f"{mantissa.replace('.', '')}e{int(exponent) - num_digits + 1}"
    assert_as_python(text)


@given(
    st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["%r", "%.9g", "%.17g", "%.25e", "%f"])
)
@settings(deadline=None, max_examples=500)
def test_printed_float64_matches_python(number, how):
    assert_as_python(how % number)


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=500)
def test_printed_float32_round_trips_to_the_bit(bits):
    number = np.uint32(bits).view(np.float32)
    if np.isfinite(number):
        for text in (str(number), f"{number:.9g}", str(Decimal(float(number)))):
            assert parse_value(text).tobytes() == number.tobytes()


@pytest.mark.parametrize(
    "number", [FLOAT32.smallest_subnormal, FLOAT32.smallest_normal, FLOAT32.max, FLOAT32.eps]
)
def test_float32_limits_are_read_exactly(number):
    for sign in ("", "-"):
        assert parse_value(f"{sign}{number}") == float(f"{sign}{number}")


def test_many_values_match_scikit_learn(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        " ".join(f"{column}:{value:.{rng.integers(1, 20)}g}" for column, value in enumerate(row))
        for row in rng.standard_normal((200, 30)) * 10.0 ** rng.integers(-30, 30, (200, 30))
    ]
    (tmp_path / "rows").write_text("".join(f"0 {row}\n" for row in rows))
    expected, _ = load_svmlight_file(str(tmp_path / "rows"), dtype=np.float64, zero_based=True)
    (entries,) = parse_rows("".join(f"{row}\n" for row in rows).encode(), 30)
    np.testing.assert_array_equal(entries.values, expected.data.astype(np.float32))
    np.testing.assert_array_equal(entries.indices, expected.indices)
    np.testing.assert_array_equal(entries.ends, expected.indptr[1:])


# --- rows -----------------------------------------------------------------------------------------------

entry = st.tuples(st.integers(0, 99), st.sampled_from(["1", "0.5", "-2e1", "7.", "1234567"]))
NOTHING = st.just("")
blanks = st.text(" \t", min_size=1, max_size=3)


@st.composite
def lines_of_rows(draw, heads=NOTHING):
    """Generate a line with all kinds of blanks and either line end."""
    parts = [draw(heads)]
    for index, value in draw(st.lists(entry, max_size=5)):
        parts += [draw(blanks), f"{index}:{value}"]
    return "".join((*parts, draw(NOTHING | blanks), draw(st.sampled_from(["\n", "\r\n"]))))


def naive_rows(lines):
    return [
        [(int(token.split(":")[0]), float(token.split(":")[1])) for token in line.split() if ":" in token]
        for line in lines
    ]


def as_lists(entries):
    pairs = list(zip(entries.indices.tolist(), entries.values.tolist(), strict=True))
    starts = [0, *entries.ends.tolist()]
    return [pairs[start:end] for start, end in pairwise(starts)]


@given(st.lists(lines_of_rows(), max_size=8))
@settings(deadline=None)
def test_rows_match_naive_parser(lines):
    (entries,) = parse_rows("".join(lines).encode(), 100)
    assert as_lists(entries) == naive_rows(lines)


some_labels = st.lists(st.integers(0, 9).map(str), max_size=4).map(",".join)


@given(st.lists(lines_of_rows(some_labels), max_size=8))
@settings(deadline=None)
def test_points_match_naive_parser(lines):
    features, labels = parse_points("".join(lines).encode(), 100, 10)
    assert as_lists(features) == naive_rows(lines)
    heads = [line.replace("\t", " ").rstrip("\r\n").partition(" ")[0] for line in lines]
    assert as_lists(labels) == [[(int(label), 1.0) for label in head.split(",") if label] for head in heads]


def test_rows_keep_order_and_repetitions():
    (entries,) = parse_rows(b"3:1 1:0 3:2\n\n2:-0\n", 4)
    assert as_lists(entries) == [[(3, 1.0), (1, 0.0), (3, 2.0)], [], [(2, 0.0)]]
    assert [array.dtype for array in entries[:3]] == [np.int64, np.int32, np.float32]


def test_largest_column_is_parsed():
    (entries,) = parse_rows(b"2147483646:1 0000000000000000000007:1\n", 2**31 - 1)
    assert entries.indices.tolist() == [2**31 - 2, 7]


def test_empty_text_has_no_rows():
    (entries,) = parse_rows(b"", 4)
    assert [len(array) for array in entries] == [0, 0, 0]


NUMBER = "a finite number as value"
PAIR = "index:value with a whole number as index"


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        *(
            (f"1:{value}", NUMBER)
            for value in ("", "-", "+", ".", "-.", "e5", "1e", "1e+", "1e-", ".e1", "--1")
        ),
        *((f"1:{value}", NUMBER) for value in ("nan", "NaN", "-nan", "inf", "-Infinity", "INF")),
        *(
            (f"1:{value}", NUMBER)
            for value in ("1_0", "0x10", "1,5", "1.2.3", "1f", "1:2", "1;", "１", "1\v", "1\r2")
        ),
        *(
            (f"1:{value}", "a value in the range of float32")
            for value in ("1e39", "-1e39", "1e400", "3.4028236e38")
        ),
        *((index, "index:value") for index in ("1", "12345678901")),
        *(
            (f"{index}:1", "an index from 0 to 3")
            for index in ("-1", "4", "-0", "2147483648", "9" * 30, f"{2**64}")
        ),
        *((index, PAIR) for index in (":1", "a:1", "+1:1", "1.0:1", "1a", "é:1", "1;2", "\v1:1", "#")),
    ],
)
@pytest.mark.parametrize("before", ["", "0:1 ", "0:1\n\n  2:1\t"])
def test_wrong_token_is_reported_with_its_position(token, expected, before):
    text = f"{before}{token} 3:1\n0:1\n".encode()
    with pytest.raises(ParseError) as caught:
        parse_rows(text, 4)
    error = caught.value
    assert error.expected == expected
    start = len(before) if "range" not in expected else len(before) + len("1:")
    assert error.position == start
    assert token.encode()[start - len(before) :].startswith(error.found)
    assert error.found
    assert error.remedy


@pytest.mark.parametrize(
    ("line", "position", "expected"),
    [
        ("0:1", 0, "labels separated by commas"),
        ("1,,2 0:1", 2, "labels separated by commas"),
        ("1, 2 0:1", 2, "labels separated by commas"),
        (",1 0:1", 0, "labels separated by commas"),
        ("1;2 0:1", 0, "labels separated by commas"),
        ("a 0:1", 0, "labels separated by commas"),
        ("0,5 0:1", 2, "a label from 0 to 4"),
        ("-1 0:1", 0, "a label from 0 to 4"),
        ("0,-1 0:1", 2, "a label from 0 to 4"),
        ("99999999999999999999", 0, "a label from 0 to 4"),
        (f"1,{2**64 + 1}", 2, "a label from 0 to 4"),
        ("1 2 0:1", 2, "index:value"),
        (" 1,2 0:1", 1, PAIR),
        ("1 0:1 3:1", 6, "an index from 0 to 2"),
        ("1 0:1e40", 4, "a value in the range of float32"),
    ],
)
def test_wrong_point_is_reported_with_its_position(line, position, expected):
    with pytest.raises(ParseError) as caught:
        parse_points(f"0 1:1\n{line}\n".encode(), 3, 5)
    assert (caught.value.position, caught.value.expected) == (len("0 1:1\n") + position, expected)


def test_error_names_position_and_token():
    with pytest.raises(ParseError, match=r"at byte 4: .*finite number as value, found b'2:x'"):
        parse_rows(b"0:1 2:x\n", 3)


# --- time ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [" ", "\n"])
def test_many_rare_values_take_linear_time(separator):
    """Python parses the values that the compiled parser cannot, without a search from the start for each."""
    count = 30_000
    text = (separator.join(["0:1e-300"] * count) + "\n").encode()
    started = time.process_time()

    (entries,) = parse_rows(text, 1)

    assert time.process_time() - started < 5
    assert len(entries.values) == count
    assert not entries.values.any()
