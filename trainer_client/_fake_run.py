"""The fake selector's runs: what one holds, and what select and report do to it."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from trainer_client.models import Identifier, Outcome, Rate, Task

MAX_BATCH = 10_000
POSTERIORS_PAGE = 10_000
RECENT_COMMITS = 20

Counts = dict[str, Any]


class SelectBody(BaseModel):
    """The body of `POST /select`."""

    model_config = ConfigDict(extra="forbid", strict=True)
    run: Identifier
    batch_size: Annotated[int, Field(ge=1, le=MAX_BATCH)]
    key: Identifier | None = None
    explain: bool = False


class Rewards(BaseModel):
    """An outcome given as the rewards of its rollouts."""

    model_config = ConfigDict(extra="forbid", strict=True)
    task: Identifier
    rewards: Annotated[list[Rate], Field(min_length=1, max_length=1_000_000)]


class ReportBody(BaseModel):
    """The body of `POST /report`: of a selection, or (selection null) of tasks that were not leased."""

    model_config = ConfigDict(extra="forbid")
    run: Identifier
    selection: Identifier | None
    key: Identifier | None = None
    outcomes: Annotated[list[Outcome | Rewards], Field(max_length=MAX_BATCH)]
    final: bool = False

    @model_validator(mode="after")
    def _as_its_kind_of_report(self) -> Self:
        if self.selection is None and (self.key is None or self.final or not self.outcomes):
            raise ValueError("a report without a selection has a key, outcomes and no final")
        if self.selection is not None and self.key is not None:
            raise ValueError("key goes with a report without a selection only")
        if not self.outcomes and not self.final:
            raise ValueError("outcomes may be empty only with final")
        return self

    def counts(self) -> list[Counts]:
        """The outcomes as successes and trials."""
        return [
            (
                Outcome.from_rewards(seen.task, seen.rewards) if isinstance(seen, Rewards) else seen
            ).model_dump()
            for seen in self.outcomes
        ]


def _with_type(section: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(section.get("type"), str):
        raise ValueError("type is required")
    return section


Section = Annotated[dict[str, Any], AfterValidator(_with_type)]


class RunBody(BaseModel):
    """The body of `PUT /runs/{run}`."""

    model_config = ConfigDict(extra="forbid", strict=True)
    pool: Identifier
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    posterior: Section = {}
    implicit: Section = {}
    policy: Section = {}
    lease_seconds: Annotated[FiniteFloat, Field(gt=0, le=2_592_000)] = 3600.0
    share_leased: bool = False

    def config(self) -> dict[str, Any]:
        """The run's config, with the defaults in place of what is absent."""
        bots = {"type": "bots", "prior": [1, 1], "forgetting": 0.1, "implicit_weight": 0.1, "rollouts": 16}
        thompson = {"type": "thompson", "target": 0.5, "temperature": 0, "exploration": 0}
        policy = thompson if self.policy.get("type", "thompson") == "thompson" else {}
        return {
            **self.model_dump(),
            "posterior": {**bots, **self.posterior},
            "implicit": {"type": "none", **self.implicit},
            "policy": {**policy, **self.policy},
        }


class Problem(Exception):
    """A refusal, as a problem document."""

    def __init__(self, status: int, code: str, detail: str, **extensions: Any):
        super().__init__(code)
        self.status = status
        self.document = {
            "type": f"urn:bots:problem:{code}",
            "title": code.replace("-", " ").capitalize(),
            "status": status,
            "detail": detail,
            "code": code,
            **extensions,
        }


@dataclass
class Batch:
    """A selection: what was answered, and what has been reported of it."""

    answer: dict[str, Any]
    deadline: float
    outcomes: dict[str, Counts] = field(default_factory=dict)
    state: Literal["open", "committed", "expired"] = "open"


class FakeRun:
    """A run over `pool`; `now` is the time of each call in Unix seconds."""

    def __init__(self, name: str, config: dict[str, Any], pool: Mapping[str, Task], seed: int, now: float):
        self.name = name
        self.config = config
        self.events: list[dict[str, Any]] = []
        self._pool = pool
        self._draws = random.Random(f"{seed} {name} {config['seed']}")
        self._alpha: dict[str, float] = {}
        self._beta: dict[str, float] = {}
        self._selected: dict[str, int] = {}
        self._last_step: dict[str, int] = {}
        self._batches: dict[str, Batch] = {}
        self._keys: dict[str, str] = {}
        self._unsolicited: dict[str, dict[str, Counts]] = {}
        self._step = 0
        self._enter(pool)
        self._log(now, "created", version=1, run=name, config=config, tasks=len(pool))

    def grow(self, tasks: Iterable[str], now: float) -> None:
        """Take up tasks that were added to the pool."""
        before = len(self._alpha)
        self._enter(tasks)
        self._log(now, "grown", tasks=len(self._alpha) - before)

    def select(self, body: SelectBody, now: float) -> dict[str, Any]:
        """The answer of `POST /select`."""
        if body.key in self._keys:
            answer = self._batches[self._keys[body.key]].answer
            if len(answer["tasks"]) != body.batch_size:
                raise Problem(409, "key-conflict", "key: it was asked with another batch_size.")
            if body.explain and "explain" not in answer:
                raise Problem(409, "not-explained", "explain: the selection was made without it.")
            return {**answer, "replayed": True}
        leased: set[str] = set()
        if not self.config["share_leased"]:
            leased.update(
                *(batch.answer["tasks"] for batch in self._batches.values() if batch.state == "open")
            )
        free = [task for task in self._pool if task not in leased]
        if body.batch_size > len(free):
            detail = f"batch_size: {body.batch_size} tasks were asked for, {len(free)} can be drawn now."
            raise Problem(409, "batch-too-large", detail, available=len(free))
        number = len(self._batches)
        deadline = now + self.config["lease_seconds"]
        answer = {
            "selection": f"s{number}-fa4e0000",
            "run": self.name,
            "step": self._step,
            "tasks": self._draws.sample(free, body.batch_size),
            "expires_at": datetime.fromtimestamp(deadline, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "replayed": False,
        }
        if body.explain:
            answer["explain"] = [self._explain(task) for task in answer["tasks"]]
        self._batches[answer["selection"]] = Batch(answer, deadline)
        if body.key is not None:
            self._keys[body.key] = answer["selection"]
        for task in answer["tasks"]:
            self._selected[task] = self._selected.get(task, 0) + 1
        known = {name: answer[name] for name in ("selection", "step", "tasks", "explain") if name in answer}
        asked = {"key": body.key, "batch_size": body.batch_size}
        self._log(now, "selected", expires_at=round(deadline * 1000), number=number, **asked, **known)
        return answer

    def report(self, body: ReportBody, now: float) -> dict[str, Any]:
        """The answer of `POST /report`."""
        outcomes = body.counts()
        if body.selection is None:
            return self._report_unsolicited(str(body.key), outcomes, now)
        batch = self._batches.get(body.selection)
        if batch is None:
            raise Problem(404, "unknown-selection", "selection: the run has no such selection.")
        tasks = batch.answer["tasks"]
        if any(outcome["task"] not in tasks for outcome in outcomes):
            raise Problem(422, "task-not-in-selection", "outcomes: a task is not of this selection.")
        fresh = _add_new(batch.outcomes, outcomes)
        remaining = len(tasks) - len(batch.outcomes)
        if batch.state != "open":
            if fresh:
                self._commit(now, fresh, selection=body.selection, reason="late")
        elif remaining == 0 or body.final:
            self._end(batch, "final" if remaining else "complete", now)
        return {
            "selection": body.selection,
            "accepted": len(fresh),
            "duplicates": len(outcomes) - len(fresh),
            "remaining": remaining,
            "committed": batch.state != "open" and bool(batch.outcomes),
            "step": self._step,
        }

    def end_leases(self, now: float) -> None:
        """End the selections whose lease is over."""
        for batch in self._batches.values():
            if batch.state == "open" and batch.deadline <= now:
                self._end(batch, "lease", now)

    def view(self) -> dict[str, Any]:
        """The answer of `GET /runs/{run}`."""
        states = [batch.state for batch in self._batches.values()]
        commits = [event["outcomes"] for event in self.events if event["type"] == "committed"]
        recent = [outcome for outcomes in commits[-RECENT_COMMITS:] for outcome in outcomes]
        by_domain: dict[str, list[Counts]] = {domain_of(task): [] for task in self._pool.values()}
        for outcome in recent:
            by_domain[domain_of(self._pool[outcome["task"]])].append(outcome)
        return {
            "run": self.name,
            "config": self.config,
            "step": self._step,
            "tasks": len(self._pool),
            "selections": {state: states.count(state) for state in ("open", "committed", "expired")},
            "capability": dict.fromkeys(by_domain),
            "etr": {
                "last": _effective(commits[-1] if commits else []),
                "recent": _effective(recent),
                "by_domain": {domain: _effective(outcomes) for domain, outcomes in by_domain.items()},
            },
            "never_selected": len(self._pool) - len(self._selected),
        }

    def posteriors(self, task: str | None, start: int) -> dict[str, Any]:
        """The answer of `GET /runs/{run}/posteriors`, from the task numbered `start` on."""
        if task is not None and task not in self._pool:
            raise Problem(404, "unknown-task", "task: the run's pool has no such task.")
        tasks = list(self._pool) if task is None else [task]
        end = start + POSTERIORS_PAGE
        return {
            "step": self._step,
            "posteriors": [self._posterior(task) for task in tasks[start:end]],
            "next": str(end) if end < len(tasks) else None,
        }

    def _enter(self, tasks: Iterable[str]) -> None:
        for task in tasks:
            self._alpha[task], self._beta[task] = self.config["posterior"]["prior"]

    def _explain(self, task: str) -> dict[str, Any]:
        alpha, beta = self._alpha[task], self._beta[task]
        return {"task": task, "alpha": alpha, "beta": beta, "draw": self._draws.betavariate(alpha, beta)}

    def _posterior(self, task: str) -> dict[str, Any]:
        alpha, beta = self._alpha[task], self._beta[task]
        mean = alpha / (alpha + beta)
        return {
            "task": task,
            "mean": mean,
            "sd": (mean * (1 - mean) / (alpha + beta + 1)) ** 0.5,
            "alpha": alpha,
            "beta": beta,
            "selected": self._selected.get(task, 0),
            "last_step": self._last_step.get(task),
        }

    def _report_unsolicited(self, key: str, outcomes: list[Counts], now: float) -> dict[str, Any]:
        """Outcomes of tasks that were not leased: a commit of their own; each key counts a task once."""
        if any(outcome["task"] not in self._pool for outcome in outcomes):
            raise Problem(422, "invalid-request", "outcomes: a task is not of this run.")
        fresh = _add_new(self._unsolicited.setdefault(key, {}), outcomes)
        if fresh:
            self._commit(now, fresh, selection=None, reason="unsolicited", key=key)
        return {
            "selection": None,
            "accepted": len(fresh),
            "duplicates": len(outcomes) - len(fresh),
            "remaining": 0,
            "committed": True,
            "step": self._step,
        }

    def _end(self, batch: Batch, reason: str, now: float) -> None:
        selection = batch.answer["selection"]
        if batch.outcomes:
            batch.state = "committed"
            self._commit(now, list(batch.outcomes.values()), selection=selection, reason=reason)
        else:
            batch.state = "expired"
            self._log(now, "released", selection=selection, reason=reason)

    def _commit(self, now: float, outcomes: list[Counts], **what: Any) -> None:
        posterior = self.config["posterior"]
        forgetting, (alpha, beta) = posterior["forgetting"], posterior["prior"]
        for task in self._alpha:
            self._alpha[task] += forgetting * (alpha - self._alpha[task])
            self._beta[task] += forgetting * (beta - self._beta[task])
        self._step += 1
        for outcome in outcomes:
            task = outcome["task"]
            self._alpha[task] += outcome["successes"]
            self._beta[task] += outcome["trials"] - outcome["successes"]
            self._last_step[task] = self._step
        self._log(now, "committed", step=self._step, outcomes=outcomes, **what)

    def _log(self, now: float, kind: str, **what: Any) -> None:
        self.events.append({"seq": len(self.events) + 1, "type": kind, "at": round(now * 1000), **what})


def domain_of(task: Task) -> str:
    """The domain of a task; those without one share a domain."""
    return task.domain or "default"


def _add_new(known: dict[str, Counts], outcomes: list[Counts]) -> list[Counts]:
    """Add the outcomes of tasks not yet known; returns those that were added."""
    fresh = []
    for outcome in outcomes:
        if outcome["task"] not in known:
            known[outcome["task"]] = outcome
            fresh.append(outcome)
    return fresh


def _effective(outcomes: list[Counts]) -> float | None:
    if not outcomes:
        return None
    return sum(0 < outcome["successes"] < outcome["trials"] for outcome in outcomes) / len(outcomes)
