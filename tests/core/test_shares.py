from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from selector_api.core.shares import apportioned, largest_batch


def drawn_over(shares: list[float], batches: list[int]) -> np.ndarray:
    """Totals after each batch, [batches, domains]."""
    totals = np.zeros(len(shares), np.int64)
    history = []
    for batch in batches:
        counts = apportioned(np.array(shares), totals, batch)
        assert counts.sum() == batch
        assert (counts >= 0).all()
        totals = totals + counts
        history.append(totals)
    return np.array(history)


def test_whole_shares_are_met_in_every_batch():
    counts = apportioned(np.array([0.5, 0.25, 0.25]), np.zeros(3, np.int64), 8)
    assert counts.tolist() == [4, 2, 2]


def test_thirds_of_a_batch_of_one_take_turns():
    totals = drawn_over([1 / 3, 1 / 3, 1 / 3], [1] * 9)
    assert np.diff(totals, axis=0, prepend=0).argmax(axis=1).tolist() == [0, 1, 2] * 3


def test_rounding_evens_out_exactly():
    totals = drawn_over([0.7, 0.2, 0.1], [7] * 10)
    assert totals[-1].tolist() == [49, 14, 7]


def test_a_small_share_gets_its_task_in_the_long_run():
    totals = drawn_over([0.99, 0.01], [4] * 25)
    assert totals[-1].tolist() == [99, 1]


def test_a_domain_without_share_gets_nothing():
    assert drawn_over([1.0, 0.0], [5, 3, 1])[-1].tolist() == [9, 0]


def test_where_a_domain_got_ahead_those_wait_that_would_get_the_most_beyond_their_due():
    counts = apportioned(np.array([0.5, 0.3, 0.2]), np.array([10, 0, 0]), 4)
    assert counts.tolist() == [0, 3, 1]  # due are -3, 4.2 and 2.8


@settings(deadline=None, derandomize=True)
@given(
    weights=st.lists(st.floats(0.01, 1.0), min_size=1, max_size=6),
    batches=st.lists(st.integers(1, 40), min_size=1, max_size=30),
)
def test_totals_stay_within_a_task_of_the_shares(weights, batches):
    totals = drawn_over(weights, batches)
    due = np.cumsum(batches)[:, None] * (np.array(weights) / sum(weights))
    # One task each way for rounding; a domain that got ahead makes the others wait a little longer.
    assert (totals - due < 1.0 + 1e-6).all()
    assert (due - totals < len(weights)).all()


@settings(deadline=None, derandomize=True)
@given(
    weights=st.lists(st.floats(0.01, 1.0), min_size=1, max_size=5),
    drawn=st.lists(st.integers(0, 30), min_size=5, max_size=5),
    available=st.lists(st.integers(0, 12), min_size=5, max_size=5),
    at_most=st.integers(0, 70),
)
def test_the_largest_batch_fits_and_no_larger_one_does(weights, drawn, available, at_most):
    shares, number = np.array(weights), len(weights)
    # A history that these shares could have led to, and any: a fork leaves out what is open.
    for before in (drawn_over(weights, [max(sum(drawn[:number]), 1)])[-1], np.array(drawn[:number])):
        free = np.array(available[:number])
        largest = largest_batch(shares, before, free, at_most)
        fitting = [size for size in range(at_most + 1) if (apportioned(shares, before, size) <= free).all()]
        assert largest == fitting[-1]
