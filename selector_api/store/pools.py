"""Pools: their tasks, and the runs that draw from them.

A pool and its runs live under different hash tags, so no script sees both. Their races are settled by order:
a run registers with its pool before it is created and again afterwards, and only then reads how many tasks it
has; tasks are appended before the registered runs are grown. One of the two always sees the other.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from selector_api.core.config import RunConfig
from selector_api.core.task_rows import TaskRows
from selector_api.core.tasks import TaskTable
from selector_api.store.codec import digest_of
from selector_api.store.connection import StoreClient
from selector_api.store.errors import Overloaded, UnreadableData
from selector_api.store.keys import pool_keys, run_keys
from selector_api.store.lru import Lru
from selector_api.store.names import Names
from selector_api.store.pool_parts import Added, Registration
from selector_api.store.refusals import PoolInUse, ReferenceInUse, UnknownPool
from selector_api.store.scripts import Scripts
from selector_api.store.task_chunks import prepared, with_chunks
from selector_api.store.threads import Threads
from selector_api.store.timings import held

_CHUNKS_A_READ = 8
_PATIENCE_SECONDS = 30.0


@dataclass
class _Copy:
    """What this process has read of a pool."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    incarnation: str = ""
    chunks: int = 0
    last_digest: str = ""
    """SHA-1 of the last chunk, by which one notices that Redis lost some: each tells that of the one before."""
    table: TaskTable = field(default_factory=TaskTable.empty)


class Pools:
    """The pools of a service."""

    def __init__(self, redis: StoreClient, scripts: Scripts, threads: Threads, names: Names) -> None:
        self._redis = redis
        self._names = names
        self._scripts = scripts
        self._threads = threads
        self._copies: Lru[_Copy] = Lru(64)

    async def create(self, pool: str) -> bool:
        """Make an empty pool; False if it was there already."""
        incarnation = secrets.token_hex(8)
        meta = pool_keys(pool).meta
        await self._names.add_pool(pool)
        await self._redis.hsetnx(meta, "incarnation", incarnation)
        await self._names.add_pool(pool)  # a deletion may have struck it out meanwhile
        return await self._redis.read_fields(meta, "incarnation") == [incarnation.encode()]

    async def delete(self, pool: str) -> None:
        """Delete a pool and its tasks.

        Raises:
            UnknownPool: there is none.
            PoolInUse: runs draw from it.
        """
        keys = pool_keys(pool)
        (incarnation,) = await self._redis.read_fields(keys.meta, "incarnation")
        if incarnation is None:
            await self._names.drop_pool(pool)
            raise UnknownPool(pool)
        registered = await self.registered(pool)
        alive = [run for run in registered if await self._draws_from(run, pool, incarnation)]
        await self.forget(pool, {run: token for run, token in registered.items() if run not in alive})
        if not await self._scripts.pool("pool_delete", keys, incarnation):
            raise PoolInUse(pool, alive)
        self._copies.drop(pool)
        await self._names.drop_pool(pool)

    async def table(self, pool: str) -> TaskTable:
        """All tasks that the pool has now.

        Raises:
            UnknownPool: there is none.
        """
        return (await self._read(pool)).table

    async def read(self, pool: str) -> tuple[str, TaskTable]:
        """The pool's incarnation, and all its tasks.

        Raises:
            UnknownPool: there is none.
        """
        copy = await self._read(pool)
        return copy.incarnation, copy.table

    async def counts(self, pool: str) -> tuple[int, int] | None:
        """How many tasks the pool has, and how many runs that are registered; None if there is no such pool."""
        keys = pool_keys(pool)
        incarnation, tasks = await self._redis.read_fields(keys.meta, "incarnation", "tasks")
        if incarnation is None:
            return None
        return int(tasks or 0), await self._redis.execute_command("HLEN", keys.runs)

    async def table_for_run(self, pool: str, incarnation: str, tasks: int) -> TaskTable:
        """At least the first `tasks` tasks of this pool.

        What this process has read before may be lost, and others may have come in its place: Redis is asked.

        Raises:
            UnknownPool: this incarnation is gone.
            UnreadableData: it has lost tasks that the run has kept.
        """
        copy = await self._read(pool)
        if copy.incarnation != incarnation:
            raise UnknownPool(pool)
        if len(copy.table) < tasks:
            raise UnreadableData(
                f"pool {pool!r} has {len(copy.table)} tasks and a run that draws from it knows {tasks}: Redis has "
                "lost those that were added last; add them again, in the same order"
            )
        return copy.table

    async def add_tasks(self, pool: str, rows: TaskRows) -> Added:
        """Add tasks, all or none; of tasks that are there, references that they have not are added.

        Also when nothing is new, the pool's runs are brought up to date: so a call that is made again completes one
        that was interrupted.

        Raises:
            UnknownPool: there is no such pool.
            TaskConflict: an id is there, or twice in `rows`, with other values.
            ReferenceInUse: tasks that are there would get a reference which a run reads.
            TooManyReferences: the pool's tasks would have more than 64 references.
            Overloaded: other callers kept adding tasks at the same time.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            copy = await self._read(pool)
            # Taken at once, because another caller may extend the copy meanwhile.
            incarnation, chunks, table, digest = copy.incarnation, copy.chunks, copy.table, copy.last_digest
            new = await self._threads.run(prepared, table, rows, digest)
            tasks = len(table)
            if new.chunks:
                registrations = await self._refuse_read(pool, new.references) if new.references else ""
                status, *reply = await self._scripts.pool(
                    "pool_append",
                    pool_keys(pool),
                    incarnation,
                    chunks,
                    digest,
                    new.inserted,
                    registrations,
                    *new.chunks,
                )
                if status == b"unknown-pool":
                    raise UnknownPool(pool)
                if status == b"moved":
                    if time.monotonic() > deadline:
                        raise Overloaded("pool")
                    continue
                tasks, chunks = reply[0], chunks + len(new.chunks)
            for run in await self.registered(pool):
                await self.grow(run, incarnation, tasks, chunks)
            # A run that has grown is stuck if Redis has lost the tasks before: then they are added once more.
            if await self.has(pool, incarnation, chunks, new.last_digest):
                return Added(new.inserted, len(rows) - new.inserted - new.extended, tasks, new.extended)

    async def has(self, pool: str, incarnation: str, chunks: int, digest: str) -> bool:
        """Whether a pool has these chunks, of which the last has this digest; so has one that was deleted since."""
        status, *reply = await self._scripts.pool(
            "pool_read", pool_keys(pool), incarnation, chunks, digest, 1
        )
        return status == b"unknown-pool" or reply[0].decode() != incarnation or reply[1] == chunks

    async def _refuse_read(self, pool: str, references: list[str]) -> str:
        """Refuse references that a run reads: its classes, or the order of its tasks, rest on them.

        Returns:
            How many registrations there were.
        """
        keys = pool_keys(pool)
        (registrations,) = await self._redis.read_fields(keys.meta, "registrations")
        for run in await self.registered(pool):
            (config,) = await self._redis.read_fields(run_keys(run).meta, "config")
            if config is None:
                continue
            reads = RunConfig.from_dict(json.loads(config)).reads
            for reference in filter(reads, references):
                raise ReferenceInUse(reference, run)
        return "0" if registrations is None else registrations.decode()

    async def register(self, pool: str, run: str) -> Registration:
        """Enter a run that draws from the pool, under a new token.

        Raises:
            UnknownPool: there is no such pool.
        """
        status, *reply = await self._scripts.pool("pool_register", pool_keys(pool), run, secrets.token_hex(8))
        if status == b"unknown-pool":
            raise UnknownPool(pool)
        return Registration(reply[0].decode(), reply[1], reply[2])

    async def registration_token(self, pool: str, run: str) -> str | None:
        """The token under which the run is registered with the pool."""
        (token,) = await self._redis.read_fields(pool_keys(pool).runs, run)
        return None if token is None else token.decode()

    async def forget(self, pool: str, registrations: Mapping[str, str]) -> None:
        """Strike out runs, each only if its token is still this one."""
        if registrations:
            pairs = [text for pair in registrations.items() for text in pair]
            await self._scripts.pool("pool_forget", pool_keys(pool), *pairs)

    async def grow(self, run: str, incarnation: str, tasks: int, chunks: int) -> bool:
        """Let the pool's first `tasks` tasks join the run, if it is one of this incarnation of the pool.

        By the number of `chunks` it notices what was measured later of tasks that it has.

        Returns:
            Whether it was behind.
        """
        return bool(await self._scripts.run("grow", run_keys(run), incarnation, tasks, chunks))

    async def join(self, pool: str, run: str, incarnation: str) -> TaskTable | None:
        """Let all tasks that a pool has join a run of this incarnation, and give them; None if it is gone.

        If Redis loses some before the run has heard of them, it would wait for them for ever: they are added again.

        Raises:
            UnknownPool: there is no such pool.
            TaskConflict, ReferenceInUse: some were lost, and others of their ids have come meanwhile.
        """
        copy = await self._read(pool)
        there, chunks, table, digest = copy.incarnation, copy.chunks, copy.table, copy.last_digest
        if there != incarnation:
            return None
        if await self.grow(run, there, len(table), chunks) and not await self.has(
            pool, there, chunks, digest
        ):
            await self.add_tasks(pool, table.rows)
        return table

    async def registered(self, pool: str) -> dict[str, str]:
        """The runs that were registered, with their tokens. Some may be there no more."""
        registrations = await self._redis.read_hash(pool_keys(pool).runs)
        return {run.decode(): token.decode() for run, token in registrations.items()}

    async def _draws_from(self, run: str, pool: str, incarnation: bytes) -> bool:
        of_run = await self._redis.read_fields(run_keys(run).meta, "pool", "pool_incarnation")
        return of_run == [pool.encode(), incarnation]

    def _copy(self, pool: str) -> _Copy:
        copy = self._copies.get(pool)
        if copy is None:
            copy = _Copy()
            self._copies.put(pool, copy)
        return copy

    async def _read(self, pool: str) -> _Copy:
        """Bring this process's copy up to date; the first time see that lists name the pool."""
        copy = self._copy(pool)
        async with held(copy.lock):
            is_first = not copy.incarnation
            while True:
                known = copy.incarnation, copy.chunks, copy.last_digest
                status, *reply = await self._scripts.pool(
                    "pool_read", pool_keys(pool), *known, _CHUNKS_A_READ
                )
                if status == b"unknown-pool":
                    self._copies.drop(pool)
                    raise UnknownPool(pool)
                incarnation, first, chunks, content = reply[0].decode(), *reply[1:]
                if first == 0:
                    copy.incarnation, copy.chunks, copy.table = incarnation, 0, TaskTable.empty()
                if content:
                    copy.table, copy.last_digest = await self._threads.run(_read_on, copy.table, content)
                    copy.chunks += len(content)
                if copy.chunks >= chunks:
                    if is_first:
                        await self._names.mend_pool(pool)
                    return copy


def _read_on(table: TaskTable, chunks: Sequence[bytes]) -> tuple[TaskTable, str]:
    """The table behind these further chunks, and the digest of the last of them."""
    return with_chunks(table, chunks), digest_of(chunks[-1])
