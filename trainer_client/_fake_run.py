"""The fake selector's runs: what one holds, and what select and report do to it."""

import random
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from trainer_client._contract.core_config import RunConfig
from trainer_client._contract.core_fold import LOG_VERSION
from trainer_client._contract.web_schemas_selections import ReportRequest, SelectRequest
from trainer_client._fake_http import Problem
from trainer_client._fake_pool import FakePool
from trainer_client._fake_posterior import Counts, FakePosterior

POSTERIORS_PAGE = 10_000
RECENT_COMMITS = 20


@dataclass
class Batch:
    """A selection: its event, and what has been reported of it by task."""

    event: dict[str, Any]
    outcomes: dict[str, Counts] = field(default_factory=dict[str, Counts])
    state: Literal["open", "committed", "released"] = "open"

    def known(self) -> list[Counts]:
        """What has been reported, in the order of the selection."""
        return [self.outcomes[task] for task in self.event["tasks"] if task in self.outcomes]


class FakeRun:
    """A run over a pool, with its log in `events`; `now` is the time of each call in Unix milliseconds.

    Args:
        name: of the run.
        config: what it is made with.
        document: the same as JSON, every default written out.
        pool: what it draws from.
        seed: settles the draws, together with the run's own.
        now: when it is made.
    """

    def __init__(
        self, name: str, config: RunConfig, document: dict[str, Any], pool: FakePool, seed: int, now: int
    ):
        self.name = name
        self.pool = pool
        self.document = document
        self.events: list[dict[str, Any]] = []
        self._config = config
        self._draws = random.Random(f"{seed} {name} {config.seed}")
        self._posterior = FakePosterior(config.posterior)
        self._size = 0
        self._selected: dict[str, int] = {}
        self._last_step: dict[str, int] = {}
        self._batches: dict[str, Batch] = {}
        self._keys: dict[str, Batch] = {}
        self._unsolicited: dict[str, set[str]] = {}
        self._step = 0
        self._enter()
        self._log(now, "created", version=LOG_VERSION, run=name, config=document, tasks=self._size)

    def grow(self, now: int) -> None:
        """Take up the tasks that were added to the pool."""
        self._enter()
        self._log(now, "grown", tasks=self._size)

    def select(self, asked: SelectRequest, now: int) -> dict[str, Any]:
        """The answer of `POST /select`."""
        if asked.key is not None and asked.key in self._keys:
            event = self._keys[asked.key].event
            if event["batch_size"] != asked.batch_size:
                raise Problem(409, "key-conflict", "batch_size: this key was used with another one")
            if asked.explain and "explain" not in event:
                raise Problem(
                    409, "not-explained", "explain: the first call with this key did not ask for it"
                )
            return self._selection(event, asked.explain, replayed=True)
        free = [task for task in self.pool.tasks if task not in self._leased()]
        if asked.batch_size > len(free):
            detail = f"batch_size: {len(free)} tasks can be drawn now; ask for fewer, or report first"
            raise Problem(409, "batch-too-large", detail, available=len(free))
        number = len(self._batches) + 1
        tasks = self._draws.sample(free, asked.batch_size)
        explained = {"explain": [self._explain(task) for task in tasks]} if asked.explain else {}
        event = self._log(
            now,
            "selected",
            expires_at=now + round(self._config.lease_seconds * 1000),
            selection=f"s{number}-fa4e0000",
            drawn_from=len(self.events),
            number=number,
            key=asked.key,
            step=self._step,
            batch_size=asked.batch_size,
            tasks=tasks,
            **explained,
        )
        batch = self._batches[event["selection"]] = Batch(event)
        if asked.key is not None:
            self._keys[asked.key] = batch
        for task in tasks:
            self._selected[task] = self._selected.get(task, 0) + 1
        return self._selection(event, asked.explain, replayed=False)

    def report(self, sent: ReportRequest, now: int) -> dict[str, Any]:
        """The answer of `POST /report`."""
        outcomes: list[Counts] = [asdict(outcome) for outcome in sent.outcomes]
        if sent.selection is None:
            return self._report_unsolicited(str(sent.key), outcomes, now)
        batch = self._batches.get(sent.selection)
        if batch is None:
            raise Problem(404, "unknown-selection", "selection: the run never made it")
        tasks: list[str] = batch.event["tasks"]
        for place, outcome in enumerate(outcomes):
            if outcome["task"] not in tasks:
                detail = f"outcomes[{place}].task: it is not of this selection"
                raise Problem(422, "task-not-in-selection", detail)
        fresh = [outcome for outcome in _first_of_each(outcomes) if outcome["task"] not in batch.outcomes]
        batch.outcomes |= {outcome["task"]: outcome for outcome in fresh}
        remaining = len(tasks) - len(batch.outcomes)
        if batch.state == "open":
            if remaining == 0 or sent.final:
                self._close(batch, "final" if remaining else "complete", now)
        elif fresh:
            late = [outcome for outcome in batch.known() if outcome in fresh]
            self._commit(now, late, selection=sent.selection, reason="late")
        committed = batch.state != "open" and bool(batch.outcomes)
        return self._receipt(sent.selection, len(fresh), len(outcomes), remaining, committed)

    def end_leases(self, now: int) -> None:
        """Close the selections whose lease is over."""
        for batch in self._batches.values():
            if batch.state == "open" and batch.event["expires_at"] <= now:
                self._close(batch, "lease", now)

    def view(self) -> dict[str, Any]:
        """The answer of `GET /runs/{run}`."""
        states = [batch.state for batch in self._batches.values()]
        commits = [event["outcomes"] for event in self.events if event["type"] == "committed"]
        recent: list[Counts] = [outcome for outcomes in commits[-RECENT_COMMITS:] for outcome in outcomes]
        by_domain: dict[str, list[Counts]] = {domain: [] for domain in self.pool.domains}
        for outcome in recent:
            by_domain[self.pool.tasks[outcome["task"]].domain].append(outcome)
        return {
            "run": self.name,
            "config": self.document,
            "step": self._step,
            "tasks": self._size,
            "selections": {
                "open": states.count("open"),
                "committed": states.count("committed"),
                "released": states.count("released"),
                "expired": states.count("released"),
            },
            "capability": dict.fromkeys(by_domain),
            "etr": {
                "last": _effective(commits[-1] if commits else []),
                "recent": _effective(recent),
                "by_domain": {domain: _effective(outcomes) for domain, outcomes in by_domain.items()},
            },
            "never_selected": self._size - len(self._selected),
        }

    def posteriors(self, named: list[str], first: int) -> dict[str, Any]:
        """The answer of `GET /runs/{run}/posteriors`: of the named tasks, or a page from a place on."""
        if not self.pool.tasks.keys() >= set(named):
            raise Problem(404, "unknown-task", "task: the run has no task of this id")
        last = first + POSTERIORS_PAGE
        tasks = named or list(self.pool.tasks)[first:last]
        return {
            "step": self._step,
            "posteriors": [
                {
                    "task": task,
                    **self._posterior.of(task),
                    "selected": self._selected.get(task, 0),
                    "last_step": self._last_step.get(task),
                }
                for task in tasks
            ],
            "next": str(last) if not named and first < last < self._size else None,
        }

    def _enter(self) -> None:
        self._posterior.grow(list(self.pool.tasks)[self._size :])
        self._size = len(self.pool.tasks)

    def _leased(self) -> set[str]:
        if self._config.share_leased:
            return set()
        return {
            task for batch in self._batches.values() if batch.state == "open" for task in batch.event["tasks"]
        }

    def _explain(self, task: str) -> dict[str, Any]:
        known = self._posterior.of(task)
        match self._config.policy.type:
            case "thompson":
                draw = self._posterior.draw(task, self._draws)
            case "posterior-mean":
                draw = known["mean"]
            case _:
                draw = None
        return {"task": task, **known, "draw": draw}

    def _selection(self, event: dict[str, Any], explain: bool, *, replayed: bool) -> dict[str, Any]:
        expires_at = datetime.fromtimestamp(event["expires_at"] / 1000, UTC)
        answer = {name: event[name] for name in ("selection", "step", "tasks")} | {
            "run": self.name,
            "expires_at": expires_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "replayed": replayed,
        }
        return answer | ({"explain": event["explain"]} if explain else {})

    def _report_unsolicited(self, key: str, outcomes: list[Counts], now: int) -> dict[str, Any]:
        """Outcomes of tasks that were not leased: a commit of their own; each key counts a task once."""
        for place, outcome in enumerate(outcomes):
            if outcome["task"] not in self.pool.tasks:
                raise Problem(422, "invalid-request", f"outcomes[{place}].task: the run has no such task")
        counted = self._unsolicited.setdefault(key, set())
        fresh = [outcome for outcome in _first_of_each(outcomes) if outcome["task"] not in counted]
        counted.update(outcome["task"] for outcome in fresh)
        if fresh:
            self._commit(now, fresh, selection=None, key=key, reason="unsolicited")
        return self._receipt(None, len(fresh), len(outcomes), remaining=0, committed=True)

    def _receipt(
        self, selection: str | None, accepted: int, sent: int, remaining: int, committed: bool
    ) -> dict[str, Any]:
        return {
            "selection": selection,
            "accepted": accepted,
            "duplicates": sent - accepted,
            "remaining": remaining,
            "committed": committed,
            "step": self._step,
        }

    def _close(self, batch: Batch, reason: str, now: int) -> None:
        selection = batch.event["selection"]
        if batch.outcomes:
            batch.state = "committed"
            self._commit(now, batch.known(), selection=selection, reason=reason)
        else:
            batch.state = "released"
            self._log(now, "released", selection=selection, reason=reason)

    def _commit(self, now: int, outcomes: list[Counts], **what: Any) -> None:
        self._posterior.commit(outcomes)
        self._step += 1
        self._last_step |= {outcome["task"]: self._step for outcome in outcomes}
        self._log(now, "committed", step=self._step, outcomes=outcomes, **what)

    def _log(self, now: int, kind: str, **what: Any) -> dict[str, Any]:
        event = {"seq": len(self.events) + 1, "type": kind, "at": now, **what}
        self.events.append(event)
        return event


def _first_of_each(outcomes: Iterable[Counts]) -> list[Counts]:
    """Of each task the first outcome."""
    first: dict[str, Counts] = {}
    for outcome in outcomes:
        first.setdefault(outcome["task"], outcome)
    return list(first.values())


def _effective(outcomes: list[Counts]) -> float | None:
    if not outcomes:
        return None
    return sum(0 < outcome["successes"] < outcome["trials"] for outcome in outcomes) / len(outcomes)
