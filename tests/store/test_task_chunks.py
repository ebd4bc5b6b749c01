"""What becomes of tasks that are sent, beside a plain model that looks at one row after another."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selector_api.core.task_rows import TaskRows
from selector_api.core.tasks import DEFAULT_DOMAIN, TaskTable
from selector_api.core.texts import Texts
from selector_api.store import task_chunks
from selector_api.store.refusals import TaskConflict
from selector_api.store.task_chunks import prepared, with_chunks

Row = tuple[str, str | None, dict[str, float]]
Conflict = tuple[str, str, object, object]

rows = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "ä", "long-id-of-many-letters", "c", "d"]),
        st.sampled_from([None, None, "x", DEFAULT_DOMAIN]),
        st.dictionaries(st.sampled_from(["weak", "strong"]), st.sampled_from([0.0, -0.0, 0.5]), max_size=2),
    ),
    min_size=1,
    max_size=6,
)


@dataclass
class Model:
    """A pool, row by row."""

    tasks: dict[str, tuple[str, dict[str, float]]] = field(default_factory=dict)

    def add(self, sent: list[Row]) -> tuple[int, int] | Conflict:
        """How many are new and how many get more; or the first contradiction, which changes nothing."""
        names = list(dict.fromkeys(name for _, _, rates in sent for name in rates))
        merged: dict[str, tuple[str | None, dict[str, float]]] = {}
        for id_, domain, rates in sent:
            there, known = merged.get(id_, (None, {}))
            conflict = self._conflict(id_, there, known, domain, rates, names)
            if conflict is not None:
                return conflict
            merged[id_] = (there or domain, known | rates)
        for id_, (domain, rates) in merged.items():
            if id_ in self.tasks:
                conflict = self._conflict(id_, *self.tasks[id_], domain, rates, names)
                if conflict is not None:
                    return conflict
        inserted = extended = 0
        for id_, (domain, rates) in merged.items():
            if id_ in self.tasks:
                known = self.tasks[id_][1]
                extended += not rates.keys() <= known.keys()
                known |= rates
            else:
                inserted += 1
                self.tasks[id_] = domain or DEFAULT_DOMAIN, dict(rates)
        return inserted, extended

    def _conflict(
        self,
        id_: str,
        there: str | None,
        known: dict[str, float],
        domain: str | None,
        rates: dict[str, float],
        names: list[str],
    ) -> Conflict | None:
        if there is not None and domain is not None and there != domain:
            return id_, "domain", there, domain
        for name in names:
            if name in rates and known.get(name, rates[name]) != rates[name]:
                return id_, f"references.{name}", known[name], rates[name]
        return None


def told(table: TaskTable) -> dict[str, tuple[str, dict[str, float]]]:
    domains = [table.domains[code] for code in table.domain_codes.tolist()]
    columns = {name: table.reference(name).tolist() for name in table.reference_names}
    return {
        id_: (domains[row], {name: rates[row] for name, rates in columns.items() if rates[row] == rates[row]})
        for row, id_ in enumerate(table.texts)
    }


@pytest.mark.parametrize("colliding", [False, True], ids=["hashes", "colliding hashes"])
@settings(max_examples=150, deadline=None, derandomize=True)
@given(bodies=st.lists(rows, min_size=1, max_size=4))
def test_any_bodies_do_what_they_would_row_by_row(colliding: bool, bodies: list[list[Row]]) -> None:
    model, table, chunks = Model(), TaskTable.empty(), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task_chunks, "_ROWS_A_CHUNK", 2)
        if colliding:
            patch.setattr(Texts, "hashes", lambda texts: np.array([len(t) % 2 for t in texts], np.uint64))
        for sent in bodies:
            expected = model.add(sent)
            columns = TaskRows.of(*zip(*sent, strict=True))
            if len(expected) == 4:
                with pytest.raises(TaskConflict) as caught:
                    prepared(table, columns)
                conflict = caught.value
                assert (conflict.task, conflict.field, conflict.here, conflict.sent) == expected
            else:
                new = prepared(table, columns)
                assert (new.inserted, new.extended) == expected
                table = with_chunks(table, new.chunks)
                chunks += new.chunks
            assert told(table) == model.tasks
        cold = with_chunks(TaskTable.empty(), chunks)
        assert told(cold) == model.tasks
        assert list(told(cold)) == list(model.tasks)
        for each in (table, cold):
            assert each.domain_counts() == counted([domain for domain, _ in model.tasks.values()])
            assert each.reference_counts() == counted(
                [name for _, rates in model.tasks.values() for name in rates]
            )
            assert each.find([*model.tasks, "x"] * 50).tolist() == [*range(len(model.tasks)), -1] * 50


def counted(names: list[str]) -> dict[str, int]:
    return {name: names.count(name) for name in dict.fromkeys(names)}


def test_an_addition_to_a_large_pool_copies_nothing_of_it() -> None:
    table = TaskTable.empty()
    for start in range(0, 3000, 1000):
        ids = [f"t{number}" for number in range(start, start + 1000)]
        table = table.extended(TaskRows.of(ids, [None] * 1000, [{"weak": 0.5}] * 1000))
    more = table.extended(TaskRows.of(["one"], ["x"], [{}]))
    for one, other in (
        (table.domain_codes, more.domain_codes),
        (table.reference("weak"), more.reference("weak")),
        (table.texts.data, more.texts.data),
        (table.texts.ends, more.texts.ends),
    ):
        assert np.shares_memory(one, other)
    assert len(table) == 3000
    assert table.find(["one"]).tolist() == [-1]
    measured = more.measured(np.array([3000]), {"weak": np.array([0.25])})
    assert np.shares_memory(measured.reference("weak"), more.reference("weak"))
    assert measured.reference_counts() == {"weak": 3001}
