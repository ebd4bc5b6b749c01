from __future__ import annotations

from selector_api.core.config import RunConfig
from selector_api.core.domains import domain_tasks
from selector_api.core.fold import fold
from tests.core.runs import commit, plain_rows, started, table_of


def test_tasks_that_joined_later_are_counted_with_the_others():
    table = table_of(plain_rows(40, "math"))
    state = started(RunConfig("pool"), table)
    for number in range(4):
        state = commit(state, {"t3": (0, 4)}, f"s{number}")
    for size in (41, 43):
        table = table_of(plain_rows(size - len(table), "code", f"n{size}-"), table)
        state = fold(state, {"type": "grown", "tasks": size}, table)
    told = domain_tasks(state)
    assert {name: (each.tasks, each.never_selected, each.stuck) for name, each in told.items()} == {
        "math": (40, 39, 1),
        "code": (3, 3, 0),
    }
