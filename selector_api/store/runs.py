"""Runs: made, found and deleted. What happens to one is in its `log`."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from selector_api.core.config import RunConfig
from selector_api.core.fold import LOG_VERSION
from selector_api.core.tasks import TaskTable
from selector_api.store.codec import dumps, event_fields
from selector_api.store.connection import StoreClient
from selector_api.store.errors import Overloaded
from selector_api.store.keys import run_keys
from selector_api.store.names import Names
from selector_api.store.pool_parts import Registration
from selector_api.store.pools import Pools
from selector_api.store.refusals import (
    Difference,
    NoReferences,
    RunConflict,
    UnknownPool,
    UnknownRun,
    UnusablePosterior,
)
from selector_api.store.retirements import Retirements
from selector_api.store.run_configs import check_names, differences, enter_text, parsed, settled_as
from selector_api.store.scripts import Scripts
from selector_api.store.segments import first_event
from selector_api.store.threads import Threads


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
class Glance:
    """A run as a list shows it."""

    run: Run
    step: int
    open: int
    """Selections with a lease."""
    last_commit_at: int | None
    """Unix ms; None if there was no commit with this release."""


@dataclass(frozen=True)
class Copied:
    """The events of another run that a fork begins with, copied."""

    key: str
    """Where they are."""
    events: int
    """How many."""
    parent: str
    tasks: int
    """How many tasks the parent began with."""
    grown: int
    """How many tasks there are behind the events."""
    step: int
    """Number of commits among them."""
    selections: int
    """Number of selections among them."""
    changes: int
    """Number of changes among them of what is drawn."""
    policy_begins: Mapping[str, int]
    """Where among them the fork's policy begins, for its `created` event."""


class Runs:
    """The runs of a service."""

    def __init__(
        self,
        redis: StoreClient,
        scripts: Scripts,
        pools: Pools,
        retirements: Retirements,
        names: Names,
        threads: Threads,
    ) -> None:
        self._redis = redis
        self._scripts = scripts
        self._pools = pools
        self._retirements = retirements
        self._names = names
        self._threads = threads

    async def create(self, name: str, config: RunConfig, copied: Copied | None = None) -> bool:
        """Make a run; False if it was there already with the same configuration, or began with it.

        `copied` is what it begins with, if it is a fork; None: the fork was there a moment ago.

        Raises:
            UnknownPool: its pool does not exist, or was deleted meanwhile.
            UnknownReference, UnknownDomain: the configuration names one that the pool does not have.
            NoReferences: the policy goes by references, and there are none; a run of 0.2 that is there goes on.
            RunConflict: a run of this name has another configuration.
            UnusablePosterior: the posterior cannot serve the pool's tasks.
            UnreadableData: a fork's parent knows tasks that its pool has lost.
            Overloaded: the copy has ended by itself, the fork is gone, or its pool changed or lost tasks meanwhile.
        """
        table = await self._pools.table(config.pool)
        try:
            check_names(config, table)
        except NoReferences:
            if not await self.is_there(name, config):
                raise
        config = await self._settled(name, config, table)
        await self._names.add_run(name)
        pool = await self._pools.register(config.pool, name)
        if copied:
            await self._pools.table_for_run(config.pool, pool.incarnation, copied.grown)
        incarnation = secrets.token_hex(8)
        status, known = await self._create(name, incarnation, config, pool, copied)
        if status == b"lost":
            raise Overloaded("fork")
        await self._refuse_other(name, config, parsed(name, known))
        if status == b"orphan":
            raise RunConflict(name, "from a pool that was deleted; delete the run first")
        # Tasks or references may have been added or lost, or the pool deleted, before the run was there to be seen.
        try:
            again = await self._pools.register(config.pool, name)
            if again.incarnation != pool.incarnation:
                raise UnknownPool(config.pool)
            tasks = copied.grown if copied else pool.tasks
            has_lost = again.chunks < pool.chunks or again.tasks < tasks
            if status == b"created" and (
                has_lost or (again.chunks > pool.chunks and config.posterior.references)
            ):
                raise Overloaded("pool")
        except (UnknownPool, Overloaded):
            await self._scripts.run("delete", run_keys(name), incarnation)
            raise
        await self._pools.join(config.pool, name, pool.incarnation)
        await self._retirements.follow(config.pool, name, pool.incarnation)
        await self._names.add_run(name)
        return status == b"created"

    async def _settled(self, name: str, config: RunConfig, table: TaskTable) -> RunConfig:
        """The configuration with nothing left open: as the run of this name has it, or as the pool suggests."""
        there = await self._config(name)
        if there is not None:
            return replace(config, posterior=config.posterior.settled_as(there.posterior))
        try:
            posterior = await self._threads.run(config.posterior.settled, table)
        except ValueError as error:
            raise UnusablePosterior(str(error)) from error
        return replace(config, posterior=posterior)

    async def is_there(self, name: str, config: RunConfig) -> bool:
        """Whether there is a run of this name, with this configuration.

        Raises:
            RunConflict: it has another one.
        """
        there = await self._config(name)
        if there is not None:
            await self._refuse_other(name, config, there)
        return there is not None

    async def _config(self, name: str) -> RunConfig | None:
        (known,) = await self._redis.read_fields(run_keys(name).meta, "config")
        return None if known is None else parsed(name, known)

    async def differences(self, name: str, config: RunConfig) -> list[Difference]:
        """In which fields the run of this name is configured otherwise."""
        there = (await self.find(name)).config
        return differences(there, settled_as(there, config))

    async def _refuse_other(self, name: str, config: RunConfig, there: RunConfig) -> None:
        config = settled_as(there, config)
        differing = differences(there, config)
        if differing and config != await self._began(name):
            raise RunConflict.of(name, differing)

    async def _began(self, name: str) -> RunConfig | None:
        """The configuration that the run of this name was made with; a run may have been changed since."""
        first = await first_event(self._redis, name)
        return None if first is None else parsed(name, dumps(json.loads(first)["config"]))

    async def _create(
        self, name: str, incarnation: str, config: RunConfig, pool: Registration, copied: Copied | None
    ) -> tuple[bytes, bytes]:
        """What became of it, and the configuration of the run that is there now."""
        values = config.to_dict()
        tasks = copied.tasks if copied else pool.tasks
        fields: dict[str, Any] = {"version": LOG_VERSION, "run": name, "config": values, "tasks": tasks}
        if copied:
            fields |= {"parent": {"run": copied.parent, "step": copied.step}, **copied.policy_begins}
        keys = run_keys(name)
        status, known = await self._scripts.run(
            "create",
            (*keys, copied.key) if copied else keys,
            incarnation,
            dumps(values),
            config.pool,
            pool.incarnation,
            copied.grown if copied else tasks,
            pool.chunks,
            enter_text(config),
            event_fields(fields),
            *_arguments(config, copied),
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
        return Run(name, incarnation, pool, pool_incarnation, parsed(name, config), int(tasks))

    async def mend(self, run: Run) -> None:
        """See that lists name a run, that its pool knows of it, and that it has followed its pool.

        These are kept apart from the run, on other nodes of a cluster, which may have lost in a failover what the
        run's own has kept; and whoever was to bring the run up to date may have ended before.

        Raises:
            UnknownPool: its pool is gone.
        """
        if await self._redis.read_fields(run_keys(run.name).meta, "incarnation") != [
            run.incarnation.encode()
        ]:
            return  # it was deleted meanwhile
        await self._names.mend_run(run.name)
        if await self._pools.registration_token(run.pool, run.name) is None:
            await self._pools.register(run.pool, run.name)
        await self._pools.join(run.pool, run.name, run.pool_incarnation)
        await self._retirements.follow(run.pool, run.name, run.pool_incarnation)

    async def glance(self, name: str) -> Glance | None:
        """A run as a list shows it; None if there is none."""
        try:
            run = await self.find(name)
        except UnknownRun:
            return None
        step, committed_at = await self._redis.read_fields(run_keys(name).meta, "step", "committed_at")
        leased = await self._redis.execute_command("ZCARD", run_keys(name).leases)
        return Glance(run, int(step or 0), leased, None if committed_at is None else int(committed_at))

    async def lease_ends(self, name: str) -> dict[str, int]:
        """The Unix ms at which the leases of a run's open selections end, by selection."""
        ends = await self._redis.read_scores(run_keys(name).leases)
        return {id_.decode(): end for id_, end in ends.items()}

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
        await self._names.drop_run(name)


def _arguments(config: RunConfig, copied: Copied | None) -> tuple[int, ...]:
    if copied is None:
        return (-1,) if config.fork else ()
    return copied.events, copied.step, copied.selections, copied.changes
