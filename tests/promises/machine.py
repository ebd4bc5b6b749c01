"""Calls to two replicas of a run and its forks; after each, both say what the model says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from tests.promises import arguments as some
from tests.promises.arguments import picks, replicas
from tests.promises.model import Model
from tests.promises.pair import Run, Task, ok, refused
from tests.promises.relatives import Relative, commit_every, dense_of
from tests.promises.rows import Counts, Sent
from tests.promises.trainers import Trainers, picked

FIRST_TASKS = 10
MOST_FORKS = 3


class Contract(Trainers):
    """The rules are the calls that there are."""

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
        task = picked(list(self.pool.tasks.values()), pick)
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
        self.now = picked(self._others(), pick)

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

    def _pick_tasks(self, picks: Sequence[int]) -> list[str]:
        return [picked(list(self.pool.tasks), pick) for pick in picks]

    def _named(self, tasks: Sequence[tuple[str | None, float | None, float | None]]) -> list[Task]:
        named: list[Task] = []
        for domain, weak, strong in tasks:
            measured = {"weak": weak, "strong": strong}.items()
            task: Task = {"id": f"task-{next(self.numbers)}"}
            task["references"] = {name: rate for name, rate in measured if rate is not None}
            named.append(task | ({} if domain is None else {"domain": domain}))
        return named
