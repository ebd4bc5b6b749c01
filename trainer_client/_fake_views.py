"""What the fake selector's runs tell of themselves."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from trainer_client._contract.core_config import RunConfig
from trainer_client._fake_batch import Batch
from trainer_client._fake_course import RECENT_COMMITS, FakeCourse, effective, histogram
from trainer_client._fake_http import Problem
from trainer_client._fake_pool import FakePool
from trainer_client._fake_posterior import Counts
from trainer_client._fake_reports import FakeReports

POSTERIORS_PAGE = 10_000


class FakeViews(FakeReports):
    """The part of a run that answers what it is and where it stands."""

    name: str
    pool: FakePool
    document: dict[str, Any]
    _config: RunConfig
    excluded: set[str]
    _parent: dict[str, Any] | None
    _size: int
    _selected: dict[str, int]
    _last_step: dict[str, int]
    _sums: dict[str, tuple[float, int]]
    _course: FakeCourse
    _evaluated: list[Counts]

    def view(self) -> dict[str, Any]:
        """The answer of `GET /runs/{run}`."""
        states = [batch.ended_as or "open" for batch in self._batches.values()]
        commits = self._course.commits
        recent = [row for commit in commits[-RECENT_COMMITS:] for row in commit.rows]
        domains = self.pool.domains
        by_domain = {
            domain: [row for row in recent if self.pool.tasks[row[0]].domain == domain] for domain in domains
        }
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
            "capability": dict.fromkeys(domains),
            "references": {},
            "etr": {
                "last": effective(commits[-1].rows if commits else []),
                "recent": effective(recent),
                "by_domain": {domain: effective(rows) for domain, rows in by_domain.items()},
                "evaluation": effective(self._evaluated),
            },
            "staleness": self._course.staleness(),
            "never_selected": self._size - len(self._selected),
            "dropped": self._dropped.total(),
            "excluded": len(self.excluded | self.pool.retired),
            "calibration": self._course.calibration(),
            "parent": self._parent,
            "rewound": None,
            "warnings": list(self._warnings()),
        }

    def _warnings(self) -> Iterator[str]:
        policy = self._config.policy
        unsuited = policy.unsuited(self._config.posterior)
        if unsuited is not None:
            yield unsuited
        if policy.domains is not None:
            for name in self.pool.domains:
                if name not in policy.domains:
                    yield (
                        f"policy.domains: the domain {name!r} has no share, so none of its tasks is drawn; "
                        "PATCH the run with shares of all domains (0 for none)"
                    )

    def history(self, points: int) -> dict[str, Any]:
        """The answer of `GET /runs/{run}/history`."""
        earlier = [each for each in self._course.histograms if each["step"] < self._step]
        return {
            "run": self.name,
            "step": self._step,
            "points": self._course.points(points, lambda task: self.pool.tasks[task].domain),
            "difficulty": [*earlier, histogram(self._step, self._means())],
        }

    def _means(self) -> list[float]:
        return [self._posterior.of(task)["mean"] for task in self.pool.tasks]

    def glance(self) -> dict[str, Any]:
        """The run in a list."""
        commits = [event["at"] for event in self.events if event["type"] == "committed"]
        return {
            "run": self.name,
            "pool": self.pool.name,
            "posterior": self.document["posterior"]["type"],
            "policy": self.document["policy"]["type"],
            "step": self._step,
            "tasks": self._size,
            "open": sum(batch.state == "open" for batch in self._batches.values()),
            "last_commit_at": moment(commits[-1]) if commits else None,
        }

    def selections(self, status: str | None, after: int, limit: int) -> dict[str, Any]:
        """The answer of `GET /runs/{run}/selections`."""
        found = [
            batch
            for batch in self._batches.values()
            if batch.event["seq"] > after and status in (None, batch.state)
        ]
        rows = [
            {name: batch.event[name] for name in ("selection", "key", "step", "tasks")}
            | {"status": batch.state, "reported": batch.reported, "expires_at": moment(batch.expires_at)}
            for batch in found[:limit]
        ]
        return {
            "selections": rows,
            "next": str(found[limit - 1].event["seq"]) if len(found) > limit else None,
        }

    def lease(self, batch: Batch) -> dict[str, Any]:
        """The answer of a call about a lease."""
        return {
            "run": self.name,
            "selection": batch.event["selection"],
            "status": batch.state,
            "expires_at": moment(batch.expires_at) if batch.state == "open" else None,
        }

    def chosen(self, named: list[str], domain: str | None, search: str, sort: str | None) -> list[str]:
        """The named tasks, or all; of this domain, if one is given, with this text in their ids, in this order."""
        if not self.pool.tasks.keys() >= set(named):
            raise Problem(404, "unknown-task", "task: the run has no task of this id")
        tasks = [
            task
            for task in named or self.pool.tasks
            if domain in (None, self.pool.tasks[task].domain) and search in task
        ]
        if sort is not None:
            value, sign = self._orders()[sort.removeprefix("-")], -1 if sort.startswith("-") else 1
            tasks.sort(key=lambda task: sign * value(task))
        return tasks

    def _orders(self) -> dict[str, Callable[[str], float]]:
        """What posteriors can be sorted by, of a task."""
        return {
            "mean": lambda task: self._posterior.of(task)["mean"],
            "sd": lambda task: self._posterior.of(task)["sd"],
            "last_step": lambda task: self._last_step.get(task, -1),
            "selected": lambda task: self._selected.get(task, 0),
            "dropped": lambda task: self._dropped[task],
            "streak": self._course.streak,
        }

    def posteriors(self, tasks: list[str], first: int, limit: int) -> dict[str, Any]:
        """The answer of `GET /runs/{run}/posteriors`: a page of so many of these tasks, from a place on."""
        last = first + min(limit, POSTERIORS_PAGE)
        return {
            "step": self._step,
            "total": len(tasks),
            "posteriors": [
                {
                    "task": task,
                    **self._posterior.of(task),
                    "domain": self.pool.tasks[task].domain,
                    "selected": self._selected.get(task, 0),
                    "last_step": self._last_step.get(task),
                    "successes": self._sums.get(task, (0.0, 0))[0],
                    "trials": self._sums.get(task, (0.0, 0))[1],
                    "dropped": self._dropped[task],
                    "excluded": task in self.excluded or task in self.pool.retired,
                    "references": self.pool.tasks[task].references,
                    "streak": self._course.streak(task),
                }
                for task in tasks[first:last]
            ],
            "next": str(last) if last < len(tasks) else None,
        }


def moment(milliseconds: int) -> str:
    """A moment as the service writes it."""
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
