"""The calls of trainers to two replicas of a run: selections, leases, reports."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.promises import arguments as some
from tests.promises.arguments import picks, replicas
from tests.promises.course import Pool
from tests.promises.model import Model
from tests.promises.pair import Pair, Run, ok, refused
from tests.promises.relatives import Relative
from tests.promises.rows import Drop, Sent, contradicts_itself


class Trainers(RuleBasedStateMachine):
    """The rules are calls that trainers make; each is answered as the model says."""

    pair: ClassVar[Pair]

    def __init__(self) -> None:
        super().__init__()
        self.numbers = itertools.count()
        self.turn = 0
        self.api_restarts = self.valkey_crashes = 0
        self.pool = Pool()
        self.relatives: list[Relative] = []
        self.last_report: tuple[Relative, str, list[Sent], bool] | None = None

    @property
    def run(self) -> Run:
        return self.now.run

    @property
    def model(self) -> Model:
        return self.now.model

    # Selections

    @rule(replica=replicas, batch_size=some.batch_sizes, keyed=st.booleans(), lease=some.leases)
    def select(self, replica, batch_size, keyed, lease):
        self._select(replica, batch_size, f"key-{next(self.numbers)}" if keyed else None, lease)

    def _select(self, replica: int, batch_size: int, key: str | None, lease: float | None) -> None:
        available = len(self.model.free)
        before = time.time()
        answer = self.run.select(replica, batch_size, key, lease_seconds=lease)
        if batch_size > available:
            assert refused(answer, 409, "batch-too-large")["available"] == available
            return
        selection = ok(answer)
        _check_lease(selection, before, self.now.lease_seconds if lease is None else lease)
        self.model.select(batch_size, key, selection)

    @precondition(lambda self: self.model.by_key)
    @rule(replica=replicas, pick=picks, more=st.integers(0, 1))
    def select_again(self, replica, pick, more):
        key = picked(list(self.model.by_key), pick)
        name = self.model.by_key[key]
        held = self.model.selections[name]
        if more and held.status == "released":
            self._select(replica, held.batch_size + more, key, None)
            return
        answer = self.run.select(replica, held.batch_size + more, key)
        if more:
            refused(answer, 409, "key-conflict")
        else:
            selection = ok(answer)
            assert (selection["selection"], selection["tasks"]) == (name, held.tasks)
            assert (selection["replayed"], selection["status"]) == (True, held.status)
            assert held.closed or selection["expires_at"] == held.expires_at

    @precondition(lambda self: self.model.selections)
    @rule(replica=replicas, pick=picks, seconds=st.sampled_from([30.0, 9000.0]))
    def renew(self, replica, pick, seconds):
        name, held = self._pick_selection(pick)
        before = time.time()
        answer = self.run.renew(replica, name, seconds)
        if held.closed:
            assert held.status in refused(answer, 409, "selection-closed")["detail"]
            return
        lease = ok(answer)
        assert (lease["selection"], lease["status"]) == (name, "open")
        _check_lease(lease, before, seconds)
        held.expires_at = lease["expires_at"]

    @precondition(lambda self: self.model.selections)
    @rule(replica=replicas, pick=picks)
    def release(self, replica, pick):
        name, held = self._pick_selection(pick)
        lease = ok(self.run.release(replica, name))
        self.model.close(name)
        assert lease == {"run": self.run.name, "selection": name, "status": held.status, "expires_at": None}

    @precondition(lambda self: self.model.open)
    @rule(pick=picks)
    def end_lease(self, pick):
        name = picked(self.model.open, pick)
        self.run.end_lease(name)
        self.model.close(name)

    # Reports

    @precondition(lambda self: self.model.selections)
    @rule(replica=replicas, pick=picks, report=some.reports, final=st.booleans())
    def report(self, replica, pick, report, final):
        name, held = self._pick_selection(pick)
        self._report(replica, name, [Sent(picked(held.tasks, pick), value) for pick, value in report], final)

    @precondition(lambda self: self.model.selections)
    @rule(replica=replicas, pick=picks, value=st.none() | some.values)
    def report_all_or_none(self, replica, pick, value):
        name, held = self._pick_selection(pick)
        tasks = held.tasks if value else []
        self._report(replica, name, [Sent(task, value) for task in tasks], final=not value)

    @precondition(lambda self: self.model.open)
    @rule(replica=replicas, pick=picks, batch_size=some.batch_sizes)
    def drop_all_and_select(self, replica, pick, batch_size):
        name = picked(self.model.open, pick)
        tasks = self.model.selections[name].tasks
        self._report(replica, name, [Sent(task, Drop("broken")) for task in tasks], final=True)
        self._select(1 - replica, batch_size, None, None)

    @precondition(lambda self: self.last_report)
    @rule(replica=replicas, other_value=st.none() | some.values)
    def resend(self, replica, other_value):
        assert self.last_report is not None
        self.now, name, rows, final = self.last_report
        self._report(replica, name, [Sent(task, other_value or value) for task, value in rows], final)

    @precondition(lambda self: self.model.selections)
    @rule(replica=replicas, pick=picks, value=some.values, final=st.booleans())
    def report_of_a_stranger(self, replica, pick, value, final):
        name, held = self._pick_selection(pick)
        strangers = [task for task in self.pool.tasks if task not in held.tasks]
        rows = [Sent(task, value).body() for task in (*held.tasks, picked(strangers, pick))]
        refused(self.run.report(replica, name, rows, final=final), 422, "task-not-in-selection")

    @precondition(lambda self: len(self.relatives) > 1)
    @rule(replica=replicas, pick=picks, value=some.values)
    def report_to_a_relative(self, replica, pick, value):
        others = [(name, held) for each in self._others() for name, held in each.model.selections.items()]
        if others:
            name, held = picked(others, pick)
            rows = [Sent(task, value).body() for task in held.tasks]
            refused(self.run.report(replica, name, rows), 404, "unknown-selection")
            refused(self.run.release(replica, name), 404, "unknown-selection")

    @rule(
        replica=replicas,
        key=some.report_keys,
        report=some.reports_without_selection,
        evaluation=st.booleans(),
    )
    def report_without_selection(self, replica, key, report, evaluation):
        rows = [Sent(picked(list(self.pool.tasks), pick), value) for pick, value in report]
        bodies = [row.body() for row in rows]
        receipt = ok(self.run.report(replica, None, bodies, key=key, evaluation=evaluation))
        assert receipt == self.model.report_without_selection(key, rows, evaluation)

    def _report(self, replica: int, name: str, rows: list[Sent], final: bool) -> None:
        answer = self.run.report(replica, name, [row.body() for row in rows], final=final)
        if contradicts_itself(rows):
            refused(answer, 422, "invalid-request")
            return
        assert ok(answer) == self.model.report(name, rows, final)
        self.last_report = (self.now, name, rows, final)

    def _others(self) -> list[Relative]:
        return [each for each in self.relatives if each is not self.now]

    def _pick_selection(self, pick: int) -> Any:
        return picked(list(self.model.selections.items()), pick)


def picked(things: Sequence[Any], pick: int) -> Any:
    return things[pick % len(things)]


def _check_lease(answer: dict[str, Any], before: float, seconds: float) -> None:
    ends = datetime.fromisoformat(answer["expires_at"]).timestamp()
    assert before - 0.001 <= ends - seconds <= time.time() + 0.001
