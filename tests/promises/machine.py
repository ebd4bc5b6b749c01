"""Calls to two replicas of a run and its forks; after each, both say what the model says."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.promises import arguments as some
from tests.promises.arguments import picks, replicas
from tests.promises.course import Pool
from tests.promises.model import Model
from tests.promises.pair import Pair, Run, Task, ok, refused
from tests.promises.relatives import Relative, commit_every, dense_of
from tests.promises.rows import Counts, Drop, Sent, contradicts_itself

FIRST_TASKS = 10
MOST_FORKS = 3


class Contract(RuleBasedStateMachine):
    """The rules are the calls that there are."""

    pair: ClassVar[Pair]

    def __init__(self) -> None:
        super().__init__()
        self.numbers = itertools.count()
        self.turn = 0
        self.api_restarts = self.valkey_crashes = 0
        self.pool = Pool()
        self.relatives: list[Relative] = []
        self.last_report: tuple[Relative, str, list[Sent], bool] | None = None

    @initialize(config=some.configs, tasks=some.new_tasks, selections=st.integers(0, 3))
    def begin(self, config, tasks, selections):
        first = [
            {"id": f"first-{number}", "references": {"weak": 0.25, "strong": 0.75}}
            for number in range(FIRST_TASKS)
        ]
        first += self._named(tasks)
        run = Run(self.pair, first, **config)
        self.pool.tasks = {task["id"]: task for task in first}
        model = Model(self.pool, dense_of(config), config.get("share_leased", False))
        model.commit_every = commit_every(config)
        model.grow(list(self.pool.tasks))
        self.now = Relative(run, model, config)
        self.relatives.append(self.now)
        for number in range(selections):
            self._select(number % 2, number + 1, f"key-{next(self.numbers)}", None)

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
        key = _picked(list(self.model.by_key), pick)
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
        name = _picked(self.model.open, pick)
        self.run.end_lease(name)
        self.model.close(name)

    # Reports

    @precondition(lambda self: self.model.selections)
    @rule(replica=replicas, pick=picks, report=some.reports, final=st.booleans())
    def report(self, replica, pick, report, final):
        name, held = self._pick_selection(pick)
        self._report(replica, name, [Sent(_picked(held.tasks, pick), value) for pick, value in report], final)

    @precondition(lambda self: self.model.selections)
    @rule(replica=replicas, pick=picks, value=st.none() | some.values)
    def report_all_or_none(self, replica, pick, value):
        name, held = self._pick_selection(pick)
        tasks = held.tasks if value else []
        self._report(replica, name, [Sent(task, value) for task in tasks], final=not value)

    @precondition(lambda self: self.model.open)
    @rule(replica=replicas, pick=picks, batch_size=some.batch_sizes)
    def drop_all_and_select(self, replica, pick, batch_size):
        name = _picked(self.model.open, pick)
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
        rows = [Sent(task, value).body() for task in (*held.tasks, _picked(strangers, pick))]
        refused(self.run.report(replica, name, rows, final=final), 422, "task-not-in-selection")

    @precondition(lambda self: len(self.relatives) > 1)
    @rule(replica=replicas, pick=picks, value=some.values)
    def report_to_a_relative(self, replica, pick, value):
        others = [(name, held) for each in self._others() for name, held in each.model.selections.items()]
        if others:
            name, held = _picked(others, pick)
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
        rows = [Sent(_picked(list(self.pool.tasks), pick), value) for pick, value in report]
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

    # What is drawn, and how

    @rule(replica=replicas, change=some.patches)
    def patch(self, replica, change):
        self._patch(replica, change)

    def _patch(self, replica: int, change: dict[str, Any]) -> None:
        self.run.patch(replica, **change)
        self.now.config = self.now.config | change
        self.model.share_leased = self.now.config.get("share_leased", False)
        if "commit" in change:
            self.model.commit_from_now_on(commit_every(change))

    @rule(replica=replicas, picks=st.lists(picks, min_size=1, max_size=4), excluded=st.booleans())
    def exclude_or_include(self, replica, picks, excluded):
        tasks = self._pick_tasks(picks)
        answer = self.run.withhold(replica, "exclude" if excluded else "include", tasks)
        assert answer == self.model.exclude(tasks, excluded)

    @rule(replica=replicas, picks=st.lists(picks, min_size=1, max_size=4), retired=st.booleans())
    def retire_or_restore(self, replica, picks, retired):
        tasks = self._pick_tasks(picks)
        before = self.pool.retired
        self.pool.retired = before | set(tasks) if retired else before - set(tasks)
        answer = self.run.withhold(replica, "retire" if retired else "restore", tasks)
        assert answer == {"changed": len(before ^ self.pool.retired), "retired": len(self.pool.retired)}

    # The pool

    @rule(replica=replicas, tasks=some.new_tasks, conflict=st.booleans())
    def add_tasks(self, replica, tasks, conflict):
        added, known = self._named(tasks), list(self.pool.tasks.values())
        if conflict:
            changed = known[0] | {"domain": "another"}
            refused(self.run.add_tasks(replica, [*added, changed]), 409, "task-conflict")
            return
        receipt = ok(self.run.add_tasks(replica, [*known, *added]))
        assert receipt == {
            "inserted": len(added),
            "unchanged": len(known),
            "extended": 0,
            "tasks": len(known) + len(added),
        }
        self.run.tasks += added
        self.pool.tasks |= {task["id"]: task for task in added}
        for each in self.relatives:
            each.model.grow([task["id"] for task in added])

    @rule(
        replica=replicas,
        pick=picks,
        name=st.sampled_from(["late", "weak", "strong"]),
        rate=st.sampled_from([0.25, 0.5]),
    )
    def measure_later(self, replica, pick, name, rate):
        task = _picked(list(self.pool.tasks.values()), pick)
        known: dict[str, float] = task["references"]
        answer = self.run.add_tasks(replica, [task | {"references": {name: rate}}])
        if known.get(name, rate) != rate:
            assert name in refused(answer, 409, "task-conflict")["detail"]
        elif name not in known and name != "late" and any(each.reads_references for each in self.relatives):
            assert name in refused(answer, 409, "reference-in-use")["detail"]
        else:
            receipt = ok(answer)
            assert receipt["extended"] == (name not in known)
            assert receipt["extended"] + receipt["unchanged"] == 1
            known[name] = rate

    # Forks

    @precondition(lambda self: len(self.relatives) <= MOST_FORKS)
    @rule(replica=replicas, back=st.none() | picks, posterior=st.none() | some.posteriors)
    def fork(self, replica, back, posterior):
        step = None if back is None else back % (self.model.course.step + 1)
        config = self.now.config | ({} if posterior is None else {"posterior": posterior})
        run = self.run.fork(replica, step, posterior=config["posterior"])
        model = self.model.forked(self.run.name, step, dense_of(config))
        self.now = Relative(run, model, config)
        self.relatives.append(self.now)

    @rule(replica=replicas)
    def fork_from_the_future(self, replica):
        answer = self.run.put_fork(replica, "never", self.model.course.step + 1)
        assert "fork.step" in refused(answer, 422, "invalid-request")["detail"]

    @precondition(lambda self: len(self.relatives) > 1)
    @rule(pick=picks)
    def go_on_with_a_relative(self, pick):
        self.now = _picked(self._others(), pick)

    # The rest of the world

    @precondition(lambda self: self.api_restarts < 1)
    @rule(replica=replicas, crash=st.booleans())
    def restart_api(self, replica, crash):
        self.api_restarts += 1
        self.pair.restart(replica, crash=crash)

    @precondition(lambda self: self.valkey_crashes < 1)
    @rule()
    def crash_valkey(self):
        self.valkey_crashes += 1
        self.pair.crash_valkey()

    # What must always be so

    @invariant()
    def both_replicas_say_what_the_model_says(self):
        self.turn += 1
        self.now.check(self.turn % 2)
        if self.turn % 10 == 0:
            self.now.check_log()

    def teardown(self) -> None:
        if self.relatives:
            self._end_by_patches()
        for each in self.relatives:
            each.check(0)
            each.check_log()

    def _end_by_patches(self) -> None:
        """Change when outcomes enter while one waits, to and fro: no program ends without it."""
        if len(self.model.free) >= 3:
            self._select(0, 3, None, None)
        for every in (1, 3):
            self._patch(0, {"commit": "selection"})
            if self.model.open:  # what waited may have been all that was missing
                name = self.model.open[-1]
                tasks = self.model.selections[name].unknown or self.model.selections[name].tasks
                self._report(0, name, [Sent(tasks[0], Counts(1, 2))], final=False)
            self._patch(1, {"commit": {"outcomes": every}})
            self.now.check(1)
        self._patch(0, {"commit": "selection"})

    def _others(self) -> list[Relative]:
        return [each for each in self.relatives if each is not self.now]

    def _pick_selection(self, pick: int) -> Any:
        return _picked(list(self.model.selections.items()), pick)

    def _pick_tasks(self, picks: Sequence[int]) -> list[str]:
        return [_picked(list(self.pool.tasks), pick) for pick in picks]

    def _named(self, tasks: Sequence[tuple[str | None, float | None, float | None]]) -> list[Task]:
        named: list[Task] = []
        for domain, weak, strong in tasks:
            measured = {"weak": weak, "strong": strong}.items()
            task: Task = {"id": f"task-{next(self.numbers)}"}
            task["references"] = {name: rate for name, rate in measured if rate is not None}
            named.append(task | ({} if domain is None else {"domain": domain}))
        return named


def _picked(things: Sequence[Any], pick: int) -> Any:
    return things[pick % len(things)]


def _check_lease(answer: dict[str, Any], before: float, seconds: float) -> None:
    ends = datetime.fromisoformat(answer["expires_at"]).timestamp()
    assert before - 0.001 <= ends - seconds <= time.time() + 0.001
