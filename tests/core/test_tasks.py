from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from selector_api.core.task_rows import TaskRows
from selector_api.core.tasks import TaskTable
from selector_api.core.texts import Texts
from tests.core.runs import table_of

ids = st.lists(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=6), unique=True)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(chunks=st.lists(ids, max_size=4), asked=ids)
def test_every_id_is_found_where_it_was_put(chunks, asked):
    table, known = TaskTable.empty(), {}
    for chunk in chunks:
        new = [id_ for id_ in chunk if id_ not in known]
        known |= {id_: len(known) + number for number, id_ in enumerate(new)}
        table = table.extended(TaskRows.of(new, ["d"] * len(new), [{}] * len(new)))
    assert len(table) == len(known)
    assert table.ids(np.arange(len(known))) == list(known)
    asked = [*asked, *known]
    for several in (asked, asked * 300):
        assert table.find(several).tolist() == [known.get(id_, -1) for id_ in several]


def test_ids_with_the_same_hash_are_told_apart(monkeypatch):
    monkeypatch.setattr(Texts, "hashes", lambda texts: np.zeros(len(texts), np.uint64))
    table = table_of([("a", "d", {}), ("b", "d", {})])
    table = table_of([("c", "d", {}), ("e", "d", {})], table)
    for asked in (["c", "x", "a", "e", "b"], ["c", "x", "a", "e", "b"] * 100):
        assert table.find(asked).tolist() == [2, -1, 0, 3, 1] * (len(asked) // 5)


def test_domains_and_references_stand_in_columns():
    table = table_of([("a", "math", {"weak": 0.25}), ("b", "code", {"strong": 1.0})])
    table = table_of([("c", "math", {"weak": 0.5, "strong": -0.0})], table)
    assert table.domains == ("math", "code")
    assert table.domain_codes.tolist() == [0, 1, 0]
    assert table.domain_counts() == {"math": 2, "code": 1}
    assert table.reference_names == ("weak", "strong")
    np.testing.assert_array_equal(table.reference("weak"), [0.25, np.nan, 0.5])
    np.testing.assert_array_equal(table.reference("strong"), [np.nan, 1.0, 0.0])
    np.testing.assert_array_equal(table.reference("never measured"), [np.nan] * 3)
    assert not np.signbit(table.reference("strong")[2])


def test_extending_leaves_the_table_as_it_was():
    table = table_of([("a", "math", {"weak": 0.25})])
    table_of([("b", "code", {"strong": 0.5})], table)
    assert (len(table), table.domains, table.reference_names) == (1, ("math",), ("weak",))
    assert table.find(["b"]).tolist() == [-1]


def test_what_was_told_last_is_found_whatever_became_of_it():
    table = table_of([(name, "math", {}) for name in "abc"])
    tasks = np.array([2, 0])
    told = table.ids(tasks)
    tasks[:] = 1
    assert table.find(("c", "a")).tolist() == [2, 0]
    found = table.find(told)
    told[0], found[0] = "b", 7
    assert table.find(["c", "a"]).tolist() == [2, 0]
    assert table.find(told).tolist() == [1, 0]
    longer = table_of([("d", "math", {})], table)
    assert longer.find(["c", "a", "d"]).tolist() == [2, 0, 3]
    assert table.find([]).tolist() == []
