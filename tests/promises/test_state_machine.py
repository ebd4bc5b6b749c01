"""Programs of calls, lease ends and crashes, made by hypothesis, against a plain model of the contract."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.core.dense import DenseRun
from tests.promises import logs
from tests.promises.model import Counts, Model, Rewards, Sent
from tests.promises.pair import REPLICAS, Pair, Run, Task, ok, refused

replicas = st.sampled_from(REPLICAS)
picks = st.integers(0, 1000)
"""Taken modulo the number of things there are to pick from."""
batch_sizes = st.integers(1, 6) | st.just(100)
values = st.builds(
    lambda quarters, trials: Counts(trials * quarters / 4, trials),
    st.integers(0, 4),
    st.sampled_from([1, 2, 16]),
) | st.builds(lambda *each: Rewards(each), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.5, 1.0]))
"""Some have the same sum and are informative or not."""
reports = st.lists(st.tuples(picks, values), min_size=1, max_size=6)
first_selections = st.lists(st.tuples(replicas, st.integers(1, 3), st.booleans()), max_size=3)
rates = st.none() | st.sampled_from([0.0, 0.25, 0.5, 1.0])
new_tasks = st.lists(st.tuples(st.sampled_from([None, "math", "code"]), rates, rates), min_size=1, max_size=5)
policies = st.sampled_from(
    [
        {"type": "thompson"},
        {"type": "thompson", "exploration": 0.5},
        {"type": "posterior-mean", "temperature": 0.1},
        {"type": "shuffle"},
        {"type": "sequential"},
    ]
)
posteriors = st.sampled_from(
    [
        {"prior": [1.0, 1.0], "forgetting": 0.1, "implicit_weight": 0.1, "rollouts": 16},
        {"prior": [2.0, 0.5], "forgetting": 0.0, "implicit_weight": 1.0, "rollouts": 4},
        {"prior": [1.0, 3.0], "forgetting": 1.0, "implicit_weight": 0.5, "rollouts": 16},
    ]
)
IMPLICIT = {"type": "interpolation", "weak": "weak", "strong": "strong"}
FIRST_TASKS: list[Task] = [
    {"id": f"first-{number}", "references": {"weak": 0.25, "strong": 0.75}} for number in range(10)
]


class Contract(RuleBasedStateMachine):
    """Calls to two replicas of one run; after each, both say what the model says."""

    pair: ClassVar[Pair]

    def __init__(self) -> None:
        super().__init__()
        self.numbers = itertools.count()
        self.turn = 0
        self.api_restarts = self.valkey_crashes = 0
        self.last_report: tuple[str, list[Sent], bool] | None = None

    @initialize(
        policy=policies,
        posterior=posteriors,
        implicit=st.booleans(),
        share_leased=st.booleans(),
        tasks=new_tasks,
        selections=first_selections,
    )
    def begin(self, policy, posterior, implicit, share_leased, tasks, selections):
        config = {"policy": policy, "posterior": {"type": "bots"} | posterior, "share_leased": share_leased}
        config |= {"implicit": IMPLICIT} if implicit else {}
        first = FIRST_TASKS + self._named(tasks)
        self.run = Run(self.pair, first, **config)
        self.model = Model(DenseRun(**posterior, interpolate=implicit), share_leased)
        self.model.grow(first)
        for selection in selections:
            self._select(*selection)

    # Selecting

    @rule(replica=replicas, batch_size=batch_sizes, keyed=st.booleans())
    def select(self, replica, batch_size, keyed):
        self._select(replica, batch_size, keyed)

    def _select(self, replica: int, batch_size: int, keyed: bool) -> None:
        self._select_anew(replica, batch_size, f"key-{next(self.numbers)}" if keyed else None)

    def _select_anew(self, replica: int, batch_size: int, key: str | None) -> None:
        available = len(self.model.free)
        answer = self.run.select(replica, batch_size, key)
        if batch_size > available:
            assert refused(answer, 409, "batch-too-large")["available"] == available
            return
        selection = ok(answer)
        told = (selection["step"], selection["replayed"], selection["status"])
        assert told == (self.model.step, False, "open")
        self.model.select(selection["selection"], batch_size, selection["tasks"], key)

    @precondition(lambda self: self.model.by_key)
    @rule(replica=replicas, pick=picks, more=st.integers(0, 1))
    def select_again(self, replica, pick, more):
        key = _picked(list(self.model.by_key), pick)
        name = self.model.by_key[key]
        held = self.model.selections[name]
        if more and held.status == "released":
            self._select_anew(replica, held.batch_size + more, key)
            return
        answer = self.run.select(replica, held.batch_size + more, key)
        if more:
            refused(answer, 409, "key-conflict")
        else:
            selection = ok(answer)
            assert (selection["selection"], selection["tasks"]) == (name, held.tasks)
            assert (selection["replayed"], selection["status"]) == (True, held.status)

    # Reporting

    @precondition(lambda self: self.model.selections)
    @rule(replica=replicas, pick=picks, report=reports, final=st.booleans())
    def report(self, replica, pick, report, final):
        name = _picked(list(self.model.selections), pick)
        tasks = self.model.selections[name].tasks
        self._report(replica, name, [Sent(_picked(tasks, pick), value) for pick, value in report], final)

    @precondition(lambda self: self.model.selections)
    @rule(replica=replicas, pick=picks, value=st.none() | values)
    def report_all_or_none(self, replica, pick, value):
        name = _picked(list(self.model.selections), pick)
        tasks = self.model.selections[name].tasks if value else []
        self._report(replica, name, [Sent(task, value) for task in tasks], final=not value)

    @precondition(lambda self: self.last_report)
    @rule(replica=replicas, other_value=st.none() | values)
    def resend(self, replica, other_value):
        assert self.last_report is not None
        name, outcomes, final = self.last_report
        again = [Sent(task, other_value or value) for task, value in outcomes]
        self._report(replica, name, again, final)

    @precondition(lambda self: self.model.selections)
    @rule(replica=replicas, pick=picks, value=values, final=st.booleans())
    def report_of_a_stranger(self, replica, pick, value, final):
        name = _picked(list(self.model.selections), pick)
        tasks = self.model.selections[name].tasks
        strangers = [task for task in self.model.pool if task not in tasks]
        outcomes = [Sent(task, value).body() for task in (*tasks, _picked(strangers, pick))]
        refused(self.run.report(replica, name, outcomes, final=final), 422, "task-not-in-selection")

    @rule(replica=replicas, key=st.sampled_from(["a", "b", "key-0"]), report=reports)
    def report_without_selection(self, replica, key, report):
        outcomes = [Sent(_picked(list(self.model.pool), pick), value) for pick, value in report]
        bodies = [row.body() for row in outcomes]
        receipt = ok(self.run.report(replica, None, bodies, key=key))
        assert receipt == self.model.report_unsolicited(key, outcomes)

    def _report(self, replica: int, name: str, outcomes: list[Sent], final: bool) -> None:
        bodies = [row.body() for row in outcomes]
        receipt = ok(self.run.report(replica, name, bodies, final=final))
        assert receipt == self.model.report(name, outcomes, final)
        self.last_report = (name, outcomes, final)

    # The rest of the world

    @precondition(lambda self: self.model.open)
    @rule(pick=picks)
    def end_lease(self, pick):
        name = _picked(self.model.open, pick)
        self.run.end_lease(name)
        self.model.close(name)

    @rule(replica=replicas, tasks=new_tasks, conflict=st.booleans())
    def add_tasks(self, replica, tasks, conflict):
        added = self._named(tasks)
        known = len(self.model.pool)
        if conflict:
            changed = FIRST_TASKS[0] | {"domain": "another"}
            refused(self.run.add_tasks(replica, [*added, changed]), 409, "task-conflict")
            return
        receipt = ok(self.run.add_tasks(replica, [*FIRST_TASKS, *added]))
        assert receipt == {
            "inserted": len(added),
            "unchanged": len(FIRST_TASKS),
            "extended": 0,
            "tasks": known + len(added),
        }
        self.run.tasks += added
        self.model.grow(added)

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

    def _named(self, tasks: Sequence[tuple[str | None, float | None, float | None]]) -> list[Task]:
        named: list[Task] = []
        for domain, weak, strong in tasks:
            measured = {"weak": weak, "strong": strong}.items()
            task: Task = {"id": f"task-{next(self.numbers)}"}
            task["references"] = {name: rate for name, rate in measured if rate is not None}
            named.append(task | ({} if domain is None else {"domain": domain}))
        return named

    # What must always be so

    @invariant()
    def both_replicas_say_what_the_model_says(self):
        self.turn += 1
        view, rows = self.run.view(self.turn % 2), self.run.posteriors(1 - self.turn % 2)
        capability = view.pop("capability")
        assert {name: view[name] for name in self.model.view()} == self.model.view()
        assert capability.keys() == self.model.domains
        known = {domain: value for domain, value in capability.items() if value is not None}
        assert known.keys() == self.model.dense.capability.keys()
        for domain, value in known.items():
            np.testing.assert_allclose(value, self.model.dense.capability[domain], rtol=1e-9, atol=1e-12)
        logs.check_dense(rows, self.model.dense)
        for row in rows:
            selected, last_step = (
                self.model.times_selected[row["task"]],
                self.model.last_step.get(row["task"]),
            )
            assert (row["selected"], row["last_step"]) == (selected, last_step), row
        if self.turn % 10 == 0:
            self._replay_the_log()

    def _replay_the_log(self) -> None:
        events = self.run.events(0)
        if not self.model.share_leased:
            logs.check_order(events)
        evidence = {of: (seen.successes, seen.trials) for of, seen in self.model.evidence.items()}
        assert logs.evidence(events) == evidence
        logs.check_replay(self.run, batch_sizes=())


def _picked(things: Sequence[Any], pick: int) -> Any:
    return things[pick % len(things)]


def test_any_program_of_calls_and_crashes_keeps_the_contract(pair: Pair):
    Contract.pair = pair
    run_state_machine_as_test(
        Contract,
        settings=settings(
            max_examples=8,
            stateful_step_count=60,
            derandomize=True,
            database=None,
            phases=[Phase.generate],  # making a failing program smaller takes many minutes of restarts
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
