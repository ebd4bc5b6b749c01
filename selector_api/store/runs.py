"""Runs: their logs, and the transitions that append to them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any

import numpy as np

from selector_api.core.config import RunConfig
from selector_api.core.fold import LOG_VERSION
from selector_api.core.tasks import TaskTable
from selector_api.store.codec import Outcome, dumps, event_fields
from selector_api.store.connection import StoreClient
from selector_api.store.errors import (
    RunConflict,
    TaskNotInSelection,
    UnknownDomain,
    UnknownPool,
    UnknownReference,
    UnknownRun,
    UnknownSelection,
    UnknownTask,
)
from selector_api.store.keys import report_field, run_keys
from selector_api.store.pools import Pools
from selector_api.store.scripts import Scripts
from selector_api.store.threads import Threads

_EVENTS_A_READ = 200


@dataclass(frozen=True)
class Run:
    """What a run is, beside its log."""

    name: str
    incarnation: str
    """Tells apart runs of one name, of which one was deleted before the other was made."""
    pool: str
    pool_incarnation: str
    config: RunConfig
    tasks: int
    """How many of the pool's tasks have entered the run."""

    @property
    def lease_ms(self) -> int:
        """How long a selection is leased, in ms, at least 1."""
        return max(1, round(self.config.lease_seconds * 1000))


@dataclass(frozen=True)
class Bookmark:
    """A place in a log: behind the event with this `seq`, 0 at its beginning."""

    seq: int
    digest: str = ""
    """SHA-1 of that event, by which one notices that a log was cut back behind it and went on differently, as
    after a failover to a follower that lagged. "" if that does not matter."""

    def after(self, events: Sequence[bytes]) -> Bookmark:
        """The place behind these further events, of which there is at least one."""
        return Bookmark(self.seq + len(events), sha1(events[-1], usedforsecurity=False).hexdigest())


@dataclass(frozen=True)
class Stretch:
    """A part of a run's log."""

    events: list[bytes]
    """JSON objects, in order."""
    length: int
    """Of the whole log."""
    replay: bytes | None
    """The `selected` event that the idempotency field stands for, if it is known."""


@dataclass(frozen=True)
class Drawn:
    """The state that a selection was drawn from."""

    place: Bookmark
    selections: int
    """Number of selections made before."""
    tasks: int
    """Number of the run's tasks."""


@dataclass(frozen=True)
class Appended:
    """A selection in the log."""

    event: bytes
    seq: int | None
    """Of the event if it was appended now; None if its idempotency field was known and stands for it."""


@dataclass(frozen=True)
class Reported:
    """What became of a report."""

    accepted: int
    duplicates: int
    remaining: int
    """Tasks of the selection without an outcome."""
    committed: bool
    """Whether all outcomes known of the selection, at least one, have entered the posteriors."""
    step: int
    """The run's number of commits after the call."""


@dataclass(frozen=True)
class Snapshot:
    """The state of a run at a place of its log, encoded."""

    incarnation: str
    place: Bookmark
    data: bytes


class Runs:
    """The runs of a service."""

    def __init__(self, redis: StoreClient, scripts: Scripts, pools: Pools, threads: Threads) -> None:
        self._redis = redis
        self._scripts = scripts
        self._pools = pools
        self._threads = threads

    async def create(self, name: str, config: RunConfig) -> bool:
        """Make a run; False if it was there already with the same configuration.

        Raises:
            UnknownPool: its pool does not exist, or was deleted meanwhile.
            UnknownReference, UnknownDomain: the configuration names one that the pool does not have.
            RunConflict: a run of this name has another configuration.
        """
        _check(config, await self._pools.table(config.pool))
        pool = await self._pools.register(config.pool, name)
        incarnation = secrets.token_hex(8)
        status, known = await self._create(name, incarnation, config, pool.incarnation, pool.tasks)
        if _parsed(known) != config:
            raise RunConflict(name, "with another configuration; send the same one, or use another name")
        if status == b"orphan":
            raise RunConflict(name, "from a pool that was deleted; delete the run first")
        # Tasks may have been added, or the pool deleted, before the run was there to be seen.
        try:
            again = await self._pools.register(config.pool, name)
            if again.incarnation != pool.incarnation:
                raise UnknownPool(config.pool)
        except UnknownPool:
            await self._scripts.run("delete", run_keys(name), incarnation)
            raise
        await self._pools.grow(name, pool.incarnation, again.tasks)
        return status == b"created"

    async def _create(
        self, name: str, incarnation: str, config: RunConfig, pool_incarnation: str, tasks: int
    ) -> tuple[bytes, bytes]:
        """What became of it, and the configuration of the run that is there now."""
        values = config.to_dict()
        created = event_fields({"version": LOG_VERSION, "run": name, "config": values, "tasks": tasks})
        status, known = await self._scripts.run(
            "create",
            run_keys(name),
            incarnation,
            dumps(values),
            config.pool,
            pool_incarnation,
            tasks,
            created,
        )
        return status, known

    async def find(self, name: str) -> Run:
        """The run of this name.

        Raises:
            UnknownRun: there is none.
        """
        values = await self._redis.read_fields(
            run_keys(name).meta, "incarnation", "pool", "pool_incarnation", "config", "tasks"
        )
        texts = [value.decode() for value in values if value is not None]
        if not texts:
            raise UnknownRun(name)
        incarnation, pool, pool_incarnation, config, tasks = texts
        return Run(name, incarnation, pool, pool_incarnation, _parsed(config), int(tasks))

    async def delete(self, name: str) -> None:
        """Delete a run and its log.

        Raises:
            UnknownRun: there is none.
        """
        run = await self.find(name)
        token = await self._pools.registration_token(run.pool, name)
        deleted = await self._scripts.run("delete", run_keys(name), run.incarnation)
        if deleted and token is not None:
            await self._pools.forget(run.pool, {name: token})

    async def read_log(self, run: Run, after: Bookmark, field: str = "") -> Stretch | None:
        """Close what is due, then read the log behind `after`, a bounded stretch of it.

        `field` is an idempotency field to look up with it, "" for none.

        Returns:
            None if another run of this name has taken the run's place, or the log lost events before `after`.

        Raises:
            UnknownRun: the run was deleted.
        """
        reply = await self._scripts.run(
            "sync", run_keys(run.name), run.incarnation, after.seq, after.digest, _EVENTS_A_READ, field
        )
        if not _still_there(run.name, reply[0]):
            return None
        _, length, replay, events = reply
        return Stretch(events, length, replay or None)

    async def append_selection(
        self, run: Run, drawn_from: Drawn, field: str, selection: str, fields: dict[str, Any]
    ) -> Appended | None:
        """Append a selection.

        `field` is its idempotency field; `fields` are those of the event but `at` and `expires_at`.

        Returns:
            None if other selections, or tasks, came since it was drawn; then nothing was appended.

        Raises:
            UnknownRun: the run was deleted.
        """
        status, *reply = await self._scripts.run(
            "select",
            run_keys(run.name),
            run.incarnation,
            drawn_from.place.seq,
            drawn_from.place.digest,
            drawn_from.selections,
            drawn_from.tasks,
            field,
            selection,
            run.lease_ms,
            event_fields({"selection": selection, "drawn_from": drawn_from.place.seq, **fields}),
        )
        if not _still_there(run.name, status) or status == b"moved":
            return None
        return Appended(reply[0], reply[1] if status == b"made" else None)

    async def report(
        self, name: str, selection: str, outcomes: Sequence[Outcome], final: bool = False
    ) -> Reported:
        """Take outcomes of a selection, whole or not at all; of each task the first outcome stands.

        A selection is committed when all its tasks are reported, or by `final` (which releases it if nothing
        was reported), or when its lease ends. What comes afterwards is a commit of its own.

        Raises:
            UnknownRun, UnknownSelection: there is none.
            TaskNotInSelection: an outcome's task is not the selection's.
        """
        pairs = [text for outcome in outcomes for text in (outcome.task, outcome.to_json())]
        status, *reply = await self._scripts.run("report", run_keys(name), selection, int(final), *pairs)
        if status == b"unknown-selection":
            raise UnknownSelection(selection)
        if status == b"task-not-in-selection":
            raise TaskNotInSelection(reply[0].decode())
        _still_there(name, status)
        accepted, duplicates, remaining, committed, step = reply
        return Reported(accepted, duplicates, remaining, bool(committed), step)

    async def report_unsolicited(self, name: str, key: str, outcomes: Sequence[Outcome]) -> Reported:
        """Commit outcomes of tasks that no selection handed out; of each `key` and task the first one stands.

        Raises:
            UnknownRun: there is none.
            UnknownTask: an outcome's task is not the run's.
        """
        tasks = [outcome.task for outcome in outcomes]
        pairs = [
            text for outcome in outcomes for text in (report_field(key, outcome.task), outcome.to_json())
        ]
        while True:
            run = await self.find(name)
            table = await self._pools.table_for_run(run.pool, run.pool_incarnation, run.tasks)
            found = await self._threads.run(table.find, tasks)
            outside = (found < 0) | (found >= run.tasks)
            if outside.any():
                raise UnknownTask(tasks[int(np.argmax(outside))])
            status, *reply = await self._scripts.run(
                "report_unsolicited", run_keys(name), run.incarnation, dumps(key), *pairs
            )
            if _still_there(name, status):
                accepted, step = reply
                return Reported(accepted, len(outcomes) - accepted, 0, True, step)

    async def snapshot(self, name: str) -> Snapshot | None:
        """The newest snapshot of the run."""
        incarnation, seq, digest, data = await self._redis.read_fields(
            run_keys(name).snapshot, "incarnation", "seq", "digest", "data"
        )
        if incarnation is None or seq is None or digest is None or data is None:
            return None
        return Snapshot(incarnation.decode(), Bookmark(int(seq), digest.decode()), data)

    async def snapshot_seq(self, name: str) -> int:
        """The `seq` of the last event in the run's newest snapshot, 0 if there is none."""
        (seq,) = await self._redis.read_fields(run_keys(name).snapshot, "seq")
        return int(seq or 0)

    async def save_snapshot(self, run: Run, place: Bookmark, data: bytes) -> None:
        """Keep a snapshot, unless a newer one is there, or the run or that place of its log is gone."""
        await self._scripts.run(
            "save_snapshot", run_keys(run.name), run.incarnation, place.seq, place.digest, data
        )


def _still_there(name: str, status: bytes) -> bool:
    """False if another run has taken the run's place; raises UnknownRun if none has."""
    if status == b"unknown-run":
        raise UnknownRun(name)
    return status != b"replaced"


def _parsed(config: str | bytes) -> RunConfig:
    return RunConfig.from_dict(json.loads(config))


def _check(config: RunConfig, table: TaskTable) -> None:
    """Refuse names that the pool does not know: they would silently do nothing."""
    for reference in config.posterior.references or ():
        if reference not in table.reference_names:
            raise UnknownReference(reference)
    for domain in config.policy.domains or ():
        if domain not in table.domains:
            raise UnknownDomain(domain)
