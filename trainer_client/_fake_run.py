"""The fake selector's runs: what one holds, and what select and the changes of a run do to it."""

import math
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from trainer_client._contract.core_config import MAX_BATCH, EveryOutcomes, RunConfig
from trainer_client._contract.core_fields import to_dict
from trainer_client._contract.core_fold import LOG_VERSION
from trainer_client._contract.web_schemas_selections import SelectRequest
from trainer_client._fake_batch import Batch
from trainer_client._fake_course import Entering, FakeCourse
from trainer_client._fake_http import Problem
from trainer_client._fake_pool import FakePool
from trainer_client._fake_posterior import FakePosterior
from trainer_client._fake_views import FakeViews, moment
from trainer_client.rewards import RewardScale


def _is_met(asked: SelectRequest, event: Mapping[str, Any]) -> bool:
    """Whether a key's selection is what is asked for; a planned one also is if its size is."""
    if asked.batch_size is not None:
        return event["batch_size"] == asked.batch_size
    return (event.get("informative"), event.get("rollouts")) == (asked.informative, asked.rollouts)


class FakeRun(FakeViews):
    """A run over a pool, with its log in `events`; `now` is the time of each call in Unix milliseconds.

    Args:
        name: of the run.
        config: what it is made with.
        pool: what it draws from.
        seed: settles the draws, together with the run's own.
        now: when it is made.
        parent: the run and its step whose evidence this one begins with, for `created`.
    """

    def __init__(
        self,
        name: str,
        config: RunConfig,
        pool: FakePool,
        seed: int,
        now: int,
        parent: dict[str, Any] | None = None,
    ):
        super().__init__()
        self.name = name
        self.pool = pool
        self._made_with = config
        self.events: list[dict[str, Any]] = []
        self.excluded: set[str] = set()
        self._parent = parent
        self._set(config)
        self._draws = random.Random(f"{seed} {name} {config.seed}")
        self._posterior = FakePosterior(config.posterior)
        self._size = 0
        self._selected: dict[str, int] = {}
        self._last_step: dict[str, int] = {}
        self._sums: dict[str, tuple[float, int]] = {}
        self._course = FakeCourse()
        self._entered: list[Entering] = []
        self._evaluated: list[tuple[str, list[Any]]] = []
        self._keys: dict[str, Batch] = {}
        self._take_up()
        told = {} if parent is None else {"parent": parent}
        self._log(
            now, "created", version=LOG_VERSION, run=name, config=to_dict(config), tasks=self._size, **told
        )

    def go_on_as(self, lost: "FakeRun") -> None:
        """Take the place of a run that knew more: its ids are not given again."""
        self._draws, self.pool = lost._draws, lost.pool

    @property
    def sums(self) -> Mapping[str, tuple[float, int]]:
        """Every reported task's successes and trials."""
        return self._sums

    @property
    def batches(self) -> Mapping[str, Batch]:
        """The selections by id."""
        return self._batches

    @property
    def step(self) -> int:
        """Commits so far."""
        return self._step

    def grow(self, now: int) -> None:
        """Take up what was added to the pool."""
        self._take_up()
        self._log(now, "grown", tasks=self._size, chunks=self.pool.chunks)

    def change(self, changes: Mapping[str, Any], now: int) -> None:
        """Go on with other parts of the config; what is so already changes nothing."""
        changes = {name: value for name, value in changes.items() if value != getattr(self._config, name)}
        if not changes:
            return
        changed, former = replace(self._config, **changes), self._commits_at
        self.pool.refuse_unknown(changed)
        self._set(changed)
        self._log(now, "configured", **{name: to_dict(self._config)[name] for name in changes})
        if self._commits_at != former:
            self._commit_otherwise(former, now)

    def exclude(self, tasks: list[str], kind: str, now: int) -> dict[str, Any]:
        """Exclude tasks or include them again; the answer of the call."""
        for place, task in enumerate(tasks):
            if not self._has(task):
                raise Problem(404, "unknown-task", f"tasks[{place}]: there is no task {task!r}")
        changed = set(tasks) - self.excluded if kind == "excluded" else set(tasks) & self.excluded
        self.excluded ^= changed
        if changed:
            in_order = [task for task in dict.fromkeys(tasks) if task in changed]
            self._log(now, kind, by="run", tasks=in_order)
        return {"changed": len(changed), "excluded": len(self.excluded)}

    def note_retired(self, tasks: list[str], kind: str, now: int) -> None:
        """Note that the pool retired or restored tasks."""
        self._log(now, kind, by="pool", tasks=list(dict.fromkeys(tasks)))

    def is_of(self, config: RunConfig) -> bool:
        """Whether it has this configuration, or began with it; what is left open there is as it is here."""
        posterior = config.posterior.settled_as(self._config.posterior)
        settled = replace(config, posterior=posterior, fork=config.fork or self._config.fork)
        return settled in (self._config, self._made_with)

    def reads(self, reference: str) -> bool:
        """Whether what it draws hangs on this reference."""
        return self._config.reads(reference)

    def take_over(self, parent: "FakeRun", wanted: int | None) -> None:
        """Begin with the evidence of another run's first commits, or with all of it (None)."""
        for entering in parent._entered:
            if self._step == wanted:
                break
            self._step += entering.expected is not None
            self._enter(entering)
        step = self._step
        for batch in parent.batches.values():
            if batch.state != "open" and batch.event["step"] < max(step, 1):
                for task in batch.tasks:
                    self._selected[task] = self._selected.get(task, 0) + 1
        self.excluded = set(parent.excluded)

    def select(self, asked: SelectRequest, now: int) -> dict[str, Any]:
        """The answer of `POST /select`."""
        known = self._keys.get(asked.key or "")
        if known is not None:
            event = known.event
            is_met = _is_met(asked, event)
            if not is_met and known.state != "released":
                field = "informative" if asked.batch_size is None else "batch_size"
                raise Problem(
                    409,
                    "key-conflict",
                    f"{field}: this key stands for selection {event['selection']!r} of {event['batch_size']} "
                    "tasks; use another key, or release it",
                    batch_size=event["batch_size"],
                    selection=event["selection"],
                )
            if is_met:
                if asked.explain and "explain" not in event:
                    raise Problem(
                        409, "not-explained", "explain: the first call with this key did not ask for it"
                    )
                return self._selection(known, asked.explain, replayed=True)
        free = [task for task in self.pool.tasks if task not in self._taken()]
        rollouts = asked.rollouts or getattr(self._config.posterior, "rollouts", 16)
        number = len(self._batches) + 1
        tasks = self._drawn(asked, free, rollouts)
        informative = [self._posterior.informative(task, rollouts) for task in tasks]
        told: dict[str, Any] = {
            name: value
            for name, value in (("informative", asked.informative), ("rollouts", asked.rollouts))
            if value is not None
        }
        if asked.policy_version is not None:
            told["policy_version"] = asked.policy_version
        if asked.explain:
            told["explain"] = {**self._explain(tasks), "informative": informative}
        seconds = self._config.lease_seconds if asked.lease_seconds is None else asked.lease_seconds
        expires_at = now + round(seconds * 1000)
        event = self._log(
            now,
            "selected",
            expires_at=expires_at,
            selection=f"s{number}-fa4e{self._draws.randrange(16**4):04x}",
            drawn_from=len(self.events),
            number=number,
            key=asked.key,
            step=self._step,
            batch_size=len(tasks),
            tasks=tasks,
            predicted={
                "mean": sum(self._posterior.of(task)["mean"] for task in tasks) / len(tasks),
                "informative": sum(informative),
            },
            **told,
        )
        means = {task: self._posterior.of(task)["mean"] for task in tasks}
        batch = self._batches[event["selection"]] = Batch(event, expires_at, means)
        self._course.see(asked.policy_version)
        if asked.key is not None:
            self._keys[asked.key] = batch
        for task in tasks:
            self._selected[task] = self._selected.get(task, 0) + 1
        return self._selection(batch, asked.explain, replayed=False)

    def _drawn(self, asked: SelectRequest, free: list[str], rollouts: int) -> list[str]:
        """So many of the free tasks, or as many as promise what is wanted, in random order."""
        if asked.informative is None:
            assert asked.batch_size is not None
            if asked.batch_size > len(free):
                detail = f"batch_size: {len(free)} tasks can be drawn now; ask for fewer, or report first"
                raise Problem(409, "batch-too-large", detail, available=len(free))
            return self._draws.sample(free, asked.batch_size)
        order = self._draws.sample(free, len(free))[:MAX_BATCH]
        promised = 0.0
        for number, task in enumerate(order, 1):
            promised += self._posterior.informative(task, rollouts)
            if round(promised, 9) >= asked.informative:
                return order[:number]
        detail = (
            f"informative: {len(order)} tasks, the largest batch that can be drawn now, promise "
            f"{math.floor(promised * 1000) / 1000} informative groups of {rollouts} rollouts; ask for fewer, or "
            "report first"
        )
        raise Problem(409, "batch-too-large", detail, available=len(order), informative=promised)

    def _set(self, config: RunConfig) -> None:
        self._config = config
        self.document = to_dict(config)
        self._scale = RewardScale.of(self.document["rewards"])
        self._commits_at = config.commit.outcomes if isinstance(config.commit, EveryOutcomes) else None

    def _take_up(self) -> None:
        self._posterior.grow(list(self.pool.tasks)[self._size :])
        self._size = len(self.pool.tasks)

    def _has(self, task: str) -> bool:
        return task in self.pool.tasks

    def _taken(self) -> set[str]:
        """What is not drawn: excluded or retired tasks, and leased ones."""
        taken = self.excluded | self.pool.retired
        if self._config.share_leased:
            return taken
        return taken.union(*(batch.leased for batch in self._batches.values()))

    def _enter(self, entering: Entering) -> None:
        rows, is_commit = entering.rows, entering.expected is not None
        self._entered.append(entering)
        self._posterior.observe(rows, forget=is_commit)
        for task, (successes, trials, *_) in rows:
            known = self._sums.get(task, (0.0, 0))
            self._sums[task] = (known[0] + successes, known[1] + trials)
        if not is_commit:
            self._evaluated += rows
            return
        self._last_step |= {task: self._step for task, _ in rows}
        self._course.add(self._step, entering, self._size - len(self._selected))
        self._course.chart(self._step, self._means())

    def _explain(self, tasks: list[str]) -> dict[str, list[Any]]:
        known = [self._posterior.of(task) for task in tasks]
        columns: dict[str, list[Any]] = {name: [row[name] for row in known] for name in known[0]}
        match self._config.policy.type:
            case "thompson":
                draws = [self._posterior.draw(task, self._draws) for task in tasks]
            case "posterior-mean":
                draws = [row["mean"] for row in known]
            case _:
                draws: list[Any] = [None] * len(tasks)
        return columns | {"draw": draws}

    def _selection(self, batch: Batch, explain: bool, *, replayed: bool) -> dict[str, Any]:
        event = batch.event
        answer = {name: event[name] for name in ("selection", "step", "tasks", "predicted")} | {
            "run": self.name,
            "expires_at": moment(batch.expires_at),
            "replayed": replayed,
            "status": batch.state,
        }
        if not explain:
            return answer
        columns: dict[str, list[Any]] = {"task": event["tasks"], **event["explain"]}
        rows = zip(*columns.values(), strict=True)
        return answer | {"explain": [dict(zip(columns, row, strict=True)) for row in rows]}

    def _log(self, now: int, kind: str, **what: Any) -> dict[str, Any]:
        event = {"seq": len(self.events) + 1, "type": kind, "at": now, **what}
        self.events.append(event)
        return event
