import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from xcgraph.formats.canonicalize import canonicalize_rows
from xcgraph.formats.parsed_rows import Entries

NUM_COLUMNS = 6


def make_entries(rows):
    flat = [entry for row in rows for entry in row]
    return Entries(
        ends=np.cumsum([len(row) for row in rows], dtype=np.int64),
        indices=np.array([index for index, _ in flat], np.int32),
        values=np.array([value for _, value in flat], np.float32),
    )


def as_lists(part):
    matrix = csr_array(
        (part.values, part.indices, np.append(0, part.ends)), shape=(len(part.ends), NUM_COLUMNS)
    )
    return [
        list(zip(row.indices.tolist(), row.data.tolist(), strict=True))
        for row in (matrix[[i]] for i in range(len(part.ends)))
    ]


def canonicalize_naively(rows, merge):
    canonical, unsorted_rows, repeated, zeros = [], 0, 0, 0
    for row in rows:
        merged = {}
        for index, value in row:
            if index not in merged:
                merged[index] = value
            else:
                merged[index] = merged[index] + value if merge == "sum" else max(merged[index], value)
                repeated += 1
        kept = sorted((index, value) for index, value in merged.items() if value != 0)
        zeros += len(merged) - len(kept)
        unsorted_rows += [index for index, _ in row] != sorted(index for index, _ in row)
        canonical.append(kept)
    return canonical, (unsorted_rows, repeated, zeros)


# Small whole numbers: their sums are exact, in any order.
rows_of_entries = st.lists(
    st.lists(st.tuples(st.integers(0, NUM_COLUMNS - 1), st.integers(-2, 2)), max_size=8), max_size=6
)


@given(rows_of_entries, st.sampled_from(["sum", "max"]))
@settings(deadline=None, max_examples=300)
def test_rows_match_naive_version(rows, merge):
    part = canonicalize_rows(make_entries(rows), merge)
    found = as_lists(part), (part.unsorted_rows, part.repeated_entries, part.zero_entries)
    assert found == canonicalize_naively(rows, merge)


@given(rows_of_entries)
@settings(deadline=None)
def test_summed_rows_match_scipy(rows):
    entries = make_entries(rows)
    pointers = np.append(0, entries.ends)
    expected = csr_array(
        (entries.values.copy(), entries.indices.copy(), pointers), shape=(len(rows), NUM_COLUMNS)
    )
    expected.sum_duplicates()
    expected.eliminate_zeros()
    part = canonicalize_rows(entries, "sum")
    np.testing.assert_array_equal(part.ends, expected.indptr[1:])
    np.testing.assert_array_equal(part.indices, expected.indices)
    np.testing.assert_array_equal(part.values, expected.data)


def test_repeated_values_are_added_in_file_order():
    """In float32 2²⁴ + 1 + 1 is 2²⁴, and 1 + 1 + 2²⁴ is 2²⁴ + 2."""
    large = 2.0**24
    for row, expected in (([(3, large), (3, 1), (3, 1)], large), ([(3, 1), (3, 1), (3, large)], large + 2)):
        assert as_lists(canonicalize_rows(make_entries([[(4, 1), *row]]), "sum")) == [
            [(3, expected), (4, 1.0)]
        ]


def test_long_row_is_added_in_file_order():
    rng = np.random.default_rng(0)
    row = list(zip(rng.integers(0, NUM_COLUMNS, 500).tolist(), rng.random(500, np.float32), strict=True))
    totals = {}
    for index, value in row:
        totals[index] = totals[index] + value if index in totals else value  # float32
    assert as_lists(canonicalize_rows(make_entries([row]), "sum")) == [sorted(totals.items())]


def test_canonical_rows_are_not_copied():
    entries = make_entries([[(0, 1), (2, 3)], [], [(5, -1)]])
    part = canonicalize_rows(entries, "sum")
    assert np.shares_memory(part.values, entries.values)
    assert as_lists(part) == [[(0, 1.0), (2, 3.0)], [], [(5, -1.0)]]
    assert part[3:] == (0, 0, 0)


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_zeros_are_dropped(zero):
    part = canonicalize_rows(make_entries([[(0, zero), (1, 1)], [(2, zero)], [(0, 2), (5, zero)]]), "sum")
    assert as_lists(part) == [[(1, 1.0)], [], [(0, 2.0)]]
    assert part.zero_entries == 3
