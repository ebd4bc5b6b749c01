"""Runs: made, found and deleted. What happens to one is in its `log`."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass

from selector_api.core.config import RunConfig
from selector_api.core.fold import LOG_VERSION
from selector_api.core.tasks import TaskTable
from selector_api.store.codec import dumps, event_fields
from selector_api.store.connection import StoreClient
from selector_api.store.errors import (
    RunConflict,
    UnknownDomain,
    UnknownPool,
    UnknownReference,
    UnknownRun,
    UnreadableData,
)
from selector_api.store.keys import run_keys
from selector_api.store.pools import Pools
from selector_api.store.scripts import Scripts


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


class Runs:
    """The runs of a service."""

    def __init__(self, redis: StoreClient, scripts: Scripts, pools: Pools) -> None:
        self._redis = redis
        self._scripts = scripts
        self._pools = pools

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
        if _parsed(name, known) != config:
            raise RunConflict(name, "with another configuration; send the same one, or choose another name")
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
        return Run(name, incarnation, pool, pool_incarnation, _parsed(name, config), int(tasks))

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


def _parsed(name: str, config: str | bytes) -> RunConfig:
    try:
        return RunConfig.from_dict(json.loads(config))
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableData(
            f"the configuration of run {name!r} is not known here ({error!r}): "
            "use the release that wrote it, or a later one"
        ) from error


def _check(config: RunConfig, table: TaskTable) -> None:
    """Refuse names that the pool does not know: they would silently do nothing."""
    for reference in config.posterior.references or ():
        if reference not in table.reference_names:
            raise UnknownReference(reference, table.reference_names)
    for domain in config.policy.domains or ():
        if domain not in table.domains:
            raise UnknownDomain(domain, table.domains)
