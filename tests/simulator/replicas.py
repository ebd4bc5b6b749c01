"""Replicas: the store's real code, on a client and threads that wait for the schedule's choice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache, partial
from hashlib import sha1
from pathlib import Path
from typing import Any, Protocol, cast
from unittest import mock

from redis.exceptions import NoScriptError

from selector_api.store import scripts
from selector_api.store import store as stores
from selector_api.store.connection import StoreClient
from selector_api.store.store import Store
from tests.simulator.network import Command, Network
from tests.simulator.server import Wire

MOST_EXPIRED = 2
"""How many leases a script lets end at most."""
_SEAMS = (
    ("redis.call('TIME')", "redis.call('MGET', 'clock:seconds', 'clock:microseconds')"),
    ("MOST_EXPIRED = 200", f"MOST_EXPIRED = {MOST_EXPIRED}"),
)
"""A clock for scripts, and a bound that is reached here, too. Texts are replaced as they are loaded."""


@dataclass(eq=False)
class Attempt:
    """One arrival of a trainer's call at a replica."""

    operation: Any
    deletions: int
    """How many runs were deleted before."""
    expected: Any = None
    """What it must be answered, by what Redis has done for it so far."""
    is_astray: bool = False
    """Whether nothing is said of that."""


attempts: ContextVar[Attempt | None] = ContextVar("attempts", default=None)
"""The attempt for which the code that runs now works; None for what a replica does by itself."""


class Observer(Protocol):
    """Sees what scripts do, in the order in which they do it."""

    def executed(
        self, script: str, keys: Sequence[str], args: Sequence[Any], reply: Any, attempt: Attempt | None
    ) -> None: ...


class Clock:
    """The clock of Redis, in unix ms."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._has_gone_back = False
        self.now = self._latest = 0
        self.move(1_700_000_000_000)

    def move(self, by: int) -> None:
        """Go on, or back."""
        self._has_gone_back |= by < 0
        to = self.now = self.now + by
        self._latest = max(self._latest, to)
        self._wire.later("MSET", "clock:seconds", to // 1000, "clock:microseconds", to % 1000 * 1000)

    def move_on(self) -> None:
        """Be later than ever: a failover takes its time."""
        self.move(self._latest + 1 - self.now)

    def of(self, run: str) -> int:
        """The time in the log of the run with this key, which is ahead of a clock that went back."""
        ahead = self._wire.call("HGET", run, "ahead") if self._has_gone_back else None
        return self.now + int(ahead or 0)


class Redis:
    """The one server, with the scripts that were loaded into it."""

    def __init__(self, wire: Wire, observer: Observer, changed: tuple[str, str] | None) -> None:
        """`changed`: what is replaced in scripts, and by what."""
        self.wire = wire
        self._observer = observer
        self._changed = changed
        self._loaded: dict[str, tuple[str, str]] = {}
        """By the SHA-1 of a script its name, and the SHA-1 of what was loaded in its place."""

    def has(self, digest: str) -> bool:
        """Whether a script was loaded."""
        return digest in self._loaded

    def load(self, text: str) -> str:
        """Load a script; gives its SHA-1."""
        digest, name, text = _simulated(text, self._changed)
        self._loaded[digest] = (name, self.wire.load(text))
        return digest

    def execute(self, attempt: Attempt | None, args: Sequence[Any], is_late: bool = False) -> Any:
        """The reply to a command; the observer is told of scripts. Late ones are for no attempt that goes on."""
        if is_late and attempt is not None:
            attempt = replace(attempt)
        if args[0] != "EVALSHA":
            return self.wire.call(*args)
        _, digest, count, *rest = args
        name, loaded = self._loaded[digest]
        reply = self.wire.call("EVALSHA", loaded, count, *rest)
        self._observer.executed(name, rest[:count], rest[count:], reply, attempt)
        return reply

    def dump(self) -> dict[bytes, bytes]:
        """All that it has."""
        keys = sorted(self.wire.call("KEYS", "bots:*"))
        return dict(zip(keys, self.wire.calls(*(("DUMP", key) for key in keys)), strict=True))

    def restore(self, keys: dict[bytes, bytes]) -> None:
        """Have this and nothing else."""
        self.wire.calls(("FLUSHALL",), *(("RESTORE", key, 0, content) for key, content in keys.items()))


@cache
def _simulated(text: str, changed: tuple[str, str] | None) -> tuple[str, str, str]:
    """The SHA-1 of a script, its name, and what is loaded in its place."""
    digest = sha1(text.encode()).hexdigest()
    name = next(name for name, file in _files().items() if text.endswith(file))
    for real, simulated in _SEAMS if changed is None else (*_SEAMS, changed):
        text = text.replace(real, simulated)
    return digest, name, text


@cache
def _files() -> dict[str, str]:
    return {path.stem: path.read_text() for path in (Path(scripts.__file__).parent / "lua").glob("*.lua")}


class Client(StoreClient):
    """What a replica has for a client of Redis."""

    def __init__(self, network: Network, server: Redis) -> None:
        self._router = None  # all that a StoreClient has without connections
        self._network = network
        self._server = server
        self.is_dead = False

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        if self.is_dead:
            raise asyncio.CancelledError
        if args[0] == "EVAL":
            args = ("EVALSHA", self._server.load(args[1]), *args[2:])
        elif args[0] == "EVALSHA" and not self._server.has(args[1]):
            raise NoScriptError
        future = asyncio.get_running_loop().create_future()
        execute = partial(self._server.execute, attempts.get(), args)
        self._network.points.append(Command(future, execute))
        reply = await future
        if args[0] == "HGETALL" or "WITHSCORES" in args:
            return dict(zip(reply[::2], reply[1::2], strict=True))
        return reply

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """There is no connection."""


class Threads:
    """In place of threads: the work is done at once, sometimes after others had their turns."""

    quick_seconds = 0.0
    """What happens must not hang on how long anything takes."""

    def __init__(self, network: Network) -> None:
        self._network = network

    async def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._network.random.random() < 0.3:
            await self._network.turn()
        return function(*args, **kwargs)

    def close(self) -> None:
        """There are none."""


def simulated(network: Network, server: Redis) -> AbstractContextManager[Any]:
    """Inside, stores are opened on this network, with threads that are none."""
    return mock.patch.multiple(
        stores, connect=lambda url: Client(network, server), Threads=lambda: Threads(network)
    )


@dataclass(eq=False)
class Replica:
    """A process of the service, without the web around its store; to be made where all is `simulated`."""

    snapshot_every: int
    horizon_days: float
    works: dict[asyncio.Task[Any], None] = field(default_factory=dict)
    """What it does, in the order in which it began."""

    def __post_init__(self) -> None:
        self._opened: AbstractAsyncContextManager[Store] = stores.open_store(
            "", self.snapshot_every, patience=3600.0, horizon_days=self.horizon_days
        )
        opening = self._opened.__aenter__()
        try:
            opening.send(None)  # type: ignore[attr-defined]  # it waits for nothing
        except StopIteration as opened:
            self.store: Store = opened.value

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Let the replica do something."""
        task = asyncio.get_running_loop().create_task(work)
        self.works[task] = None
        task.add_done_callback(lambda task: self.works.pop(task, None))
        return task

    def die(self) -> None:
        """End at once: what it holds in memory is gone, and nobody is answered."""
        cast("Client", self.store.redis).is_dead = True
        for work in list(self.works):
            work.cancel()

    async def close(self) -> None:
        await self._opened.__aexit__(None, None, None)
