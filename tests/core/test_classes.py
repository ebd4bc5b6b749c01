from __future__ import annotations

import numpy as np
from numpy.testing import assert_array_equal

from selector_api.core.classes import Classes
from tests.core.runs import table_of

ROWS = [
    ("a", "math", {"w": 0.5, "s": 1.0}),
    ("b", "code", {"w": 0.5, "s": 1.0}),
    ("c", "math", {"w": 0.5}),
    ("d", "math", {"w": 0.5, "s": 1.0}),
    ("e", "math", {}),
    ("f", "math", {"w": 0.25, "s": 1.0}),
]


def test_tasks_of_one_domain_and_equal_rates_make_a_class():
    classes = Classes.of(("w", "s")).grown(table_of(ROWS), len(ROWS))
    a, b, c, d, e, f = classes.of_task.tolist()
    assert a == d
    assert c == e, "a task without both references belongs to the class without any"
    assert len({a, b, c, f}) == len(classes) == 4
    assert classes.members(a).tolist() == [0, 3]
    assert classes.sizes.sum() == len(ROWS)
    assert (classes.weak[f], classes.strong[f], classes.domain[b]) == (0.25, 1.0, 1)
    assert np.isnan(classes.weak[c])
    assert np.isnan(classes.strong[c])


def test_without_references_a_domain_is_a_class():
    classes = Classes.of(None).grown(table_of(ROWS), len(ROWS))
    assert classes.of_task.tolist() == [0, 1, 0, 0, 0, 0]


def test_classes_keep_their_numbers_when_the_pool_grows():
    table = table_of(ROWS)
    early = Classes.of(("w", "s")).grown(table, 2)
    late = early.grown(table, len(ROWS))
    assert_array_equal(late.of_task[:2], early.of_task)
    assert_array_equal(late.domain[: len(early)], early.domain)
    assert_array_equal(late.weak[: len(early)], early.weak)
    assert len(late) == 4
    assert late.grown(table, len(ROWS)).of_task.tolist() == late.of_task.tolist()
