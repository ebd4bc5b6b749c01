from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from selector_api.core.growing import Growing
from selector_api.core.text_index import TextIndex
from selector_api.core.texts import Texts

texts = st.lists(st.text(st.sampled_from("ab\x00ü任"), max_size=30), max_size=12)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(texts=texts, data=st.data())
def test_texts_come_back_and_are_told_apart(texts, data):
    column = Texts.of(texts)
    assert column.tolist() == texts
    rows = np.array(data.draw(st.lists(st.sampled_from(range(len(texts))))) if texts else [], np.int64)
    part = column.take(rows)
    assert part.tolist() == [texts[row] for row in rows]
    hashes = column.hashes()
    assert_array_equal(part.hashes(), hashes[rows])
    assert len(set(hashes.tolist())) == len(set(texts))
    for row, text in enumerate(texts):
        same = column.equal(np.arange(len(texts)), column, np.full(len(texts), row))
        assert same.tolist() == [other == text for other in texts]


def test_many_numbered_texts_have_hashes_whose_upper_halves_are_spread():
    hashes = Texts.of([f"task-{number:06d}" for number in range(50_000)]).hashes()
    assert len(np.unique(hashes)) == 50_000
    upper = np.bincount((hashes >> np.uint64(54)).astype(np.int64), minlength=1024)
    assert upper.max() < 2 * 50_000 / 1024


def test_columns_that_grow_from_one_another_keep_what_they_had():
    first = Growing(np.arange(3))
    longer = first.appended(np.array([7, 8]))
    longest = longer.appended(np.array([9]))
    other = longer.appended(np.array([10]))
    assert_array_equal(first.values, [0, 1, 2])
    assert_array_equal(longer.values, [0, 1, 2, 7, 8])
    assert_array_equal(longest.values, [0, 1, 2, 7, 8, 9])
    assert_array_equal(other.values, [0, 1, 2, 7, 8, 10])
    assert np.shares_memory(longer.values, longest.values)
    assert not np.shares_memory(longest.values, other.values)


@pytest.mark.parametrize("bits", [64, 34])
def test_indexes_that_grow_from_one_another_find_their_own_rows(bits):
    rng = np.random.default_rng(5)
    hashes = rng.integers(0, 1 << 63, 3000, dtype=np.uint64) << np.uint64(64 - bits)

    def found(index: TextIndex, rows: np.ndarray) -> list[int]:
        return index.find(hashes[rows], lambda wanted, there: rows[wanted] == there).tolist()

    first = TextIndex().with_rows(hashes[:40])
    longer = first.with_rows(hashes[40:1000])
    longest = longer.with_rows(hashes[1000:2500])
    branch = longer.with_rows(hashes[1000:1003])
    for index, size in ((first, 40), (longer, 1000), (longest, 2500), (branch, 1003)):
        assert found(index, np.arange(3000)) == [row if row < size else -1 for row in range(3000)]
