from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from selector_api.core.arrays import CodeArray, FloatArray
from selector_api.core.classes import Classes
from selector_api.core.posteriors.bots import Bots
from selector_api.core.posteriors.interpolation import Interpolation
from tests.core.runs import table_of

NONE = float("nan")
DOMAIN: CodeArray = np.array([0, 1, 0, 0, 0, 0, 0], np.int32)
RATES: FloatArray = np.array(
    [[0.5, 1.0], [0.5, 1.0], [0.5, NONE], [0.5, 1.0], [NONE, NONE], [0.25, 1.0], [NONE, 1.0]]
)


def test_tasks_of_one_domain_and_equal_rates_make_a_class():
    classes = Classes.of(2).grown(DOMAIN, RATES)
    assert classes.of_task[0] == classes.of_task[3]
    assert len(set(classes.of_task.tolist())) == len(classes) == 6
    assert classes.members(classes.of_task[0]).tolist() == [0, 3]
    assert classes.sizes.sum() == len(DOMAIN)
    assert_array_equal(classes.rates[classes.of_task], RATES)
    assert_array_equal(classes.domain[classes.of_task], DOMAIN)


def test_without_references_a_domain_is_a_class():
    classes = Classes.of(0).grown(DOMAIN, RATES[:, :0])
    assert classes.of_task.tolist() == DOMAIN.tolist()
    assert classes.rates.shape == (2, 0)


def test_classes_keep_their_numbers_when_the_pool_grows():
    early = Classes.of(2).grown(DOMAIN[:2], RATES[:2])
    late = early.grown(DOMAIN[2:], RATES[2:])
    assert_array_equal(late.of_task[:2], early.of_task)
    assert_array_equal(late.domain[: len(early)], early.domain)
    assert_array_equal(late.rates[: len(early)], early.rates)
    assert_array_equal(late.rates[late.of_task], RATES)
    assert len(late) == 6
    assert late.grown(DOMAIN[:0], RATES[:0]).of_task.tolist() == late.of_task.tolist()


def test_there_may_be_more_classes_than_sixteen_bits_count():
    many = 70_000
    classes = Classes.of(1).grown(np.zeros(many, np.int32), np.arange(many)[:, np.newaxis] / many)
    for number in (0, 1, 66_000, many - 1):
        assert classes.of_task[classes.members(number)].tolist() == [number]


@pytest.mark.parametrize("references", [1, 3, 7])
def test_any_number_of_references_tells_tasks_apart(references):
    # Four thousand rates a reference: seven of them have more combinations than a whole number can count.
    rng = np.random.default_rng(references)
    rates = np.where(rng.random((4000, references)) < 0.1, NONE, rng.random((4000, references)))
    rates[2000:] = rates[:2000]
    domain = np.tile(rng.integers(0, 3, 2000), 2).astype(np.int32)
    classes = Classes.of(references).grown(domain, rates)
    assert_array_equal(classes.of_task[2000:], classes.of_task[:2000])
    assert_array_equal(classes.rates[classes.of_task], rates)
    assert_array_equal(classes.domain[classes.of_task], domain)
    keys = zip(domain.tolist(), np.nan_to_num(rates, nan=-1.0).tolist(), strict=True)
    assert len(classes) == len({(code, *row) for code, row in keys})


def test_for_bots_a_task_without_both_references_belongs_to_the_class_without_any():
    table = table_of([("a", "m", {"w": 0.5, "s": 1.0}), ("b", "m", {"w": 0.5}), ("c", "m", {})])
    rates = Bots(implicit=Interpolation("w", "s")).rates(table, slice(0, 3))
    assert_array_equal(rates, [[0.5, 1.0], [NONE, NONE], [NONE, NONE]])
    assert Bots().rates(table, slice(1, 3)).shape == (2, 0)


def test_members_are_found_however_the_tasks_joined():
    rng = np.random.default_rng(3)
    domain = rng.integers(0, 12, 500).astype(np.int32)
    domain[:400] %= 9  # classes that no earlier task is of
    none = np.empty((500, 0))
    at_once = Classes.of(0).grown(domain, none)
    classes, joined = Classes.of(0), 0
    for size in (0, 1, 1, 300, 5, 5, 40, 1, 1, 46, 100):
        classes = classes.grown(domain[joined : joined + size], none[joined : joined + size])
        joined += size
        # What is sorted by now is used on.
        assert sum(len(classes.members(number)) for number in range(len(classes))) == joined
    for number in range(len(classes)):
        (members,) = np.nonzero(domain == classes.domain[number])
        assert classes.members(number).tolist() == members.tolist()
        there = int(np.flatnonzero(at_once.domain == classes.domain[number])[0])
        assert at_once.members(there).tolist() == members.tolist()
