"""A schedule: trainers and replicas, and in which order and how well all that they do comes about, by a seed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from random import Random
from typing import Any
from unittest import mock

from selector_api.store import scripts, segments
from selector_api.store.errors import Overloaded, StoreUnavailable, UnreadableData
from tests.simulator import settings
from tests.simulator.answers import check_answer, check_refusal
from tests.simulator.final import check
from tests.simulator.network import CALM, FAULTS, LOSSES, Idle, Network, Point
from tests.simulator.operations import POOL, AddTasks, Create, Operation, Select
from tests.simulator.replicas import Attempt, Clock, Redis, Replica, attempts, simulated
from tests.simulator.server import Wire
from tests.simulator.trainer import RUN, Trainer, likings
from tests.simulator.witness import Witness

_HORIZON_DAYS = 30.0
_NEAR_DAYS = 2 / 86_400
MOST_STEPS = 20_000
MOST_CALLS = 8
"""How often a trainer calls before it gives up."""
_TRIED_AGAIN = (Overloaded, StoreUnavailable, UnreadableData)
"""What a client calls again after."""
LOST = object()
"""What a trainer hears if it hears nothing."""


@contextmanager
def _small_segments() -> Iterator[None]:
    with mock.patch.object(segments, "EVENTS", 4):
        scripts._script.cache_clear()
        yield
    scripts._script.cache_clear()


class Violation(AssertionError):
    """A schedule found something that must not be."""


@dataclass(eq=False)
class Reply(Point):
    """An answer on its way to its trainer."""

    answer: Any

    def go(self, network: Network) -> None:
        if not self.future.done():
            is_lost = network.random.random() < network.chances.answer_lost
            self.future.set_result(LOST if is_lost else self.answer)


class Schedule:
    """One of them."""

    def __init__(
        self,
        seed: int,
        wire: Wire,
        lua: tuple[str, str] | None = None,
        is_horizon_near: bool = False,
        is_lossy: bool = False,
    ) -> None:
        """A schedule that has not begun.

        Args:
            seed: decides all that comes about.
            wire: to a Valkey of its own.
            lua: what is replaced in scripts, and by what.
            is_horizon_near: most comes behind it.
            is_lossy: Redis falls back often, while the pool grows.
        """
        self.is_horizon_near = is_horizon_near
        self.is_lossy = is_lossy
        self.seed = seed
        self.random = Random(seed)
        self.network = Network(self.random)
        self.steps = 0
        self.tasks = settings.BEGINNING
        """How many were named, whether or not they have joined the pool."""
        wire.later("FLUSHALL")
        self.clock = Clock(wire)
        self.witness = Witness(self.clock)
        self.server = Redis(wire, self.witness, lua)
        self.replicas: list[Replica] = []
        self._retired: list[Replica] = []
        self._waiting: list[asyncio.Future[Any]] = []
        self._may_lose = False
        self._kept: tuple[dict[bytes, bytes], Any] | None = None
        self._failure: BaseException | None = None

    def run(self) -> None:
        """Let it come about.

        Raises:
            Violation: something came about that must not be.
        """
        loop = asyncio.SelectorEventLoop(Idle(self._step))
        loop.set_exception_handler(lambda *_: None)
        try:
            horizon = _small_segments() if self.is_horizon_near else nullcontext()
            with horizon, self._same_ids(), simulated(self.network, self.server):
                loop.run_until_complete(self._live())
        except Exception as error:
            raise Violation(f"seed {self.seed}: {error!r}") from error
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.call_soon(loop.stop)
            loop.run_forever()
            loop.close()

    @property
    def _horizon_days(self) -> float:
        return _NEAR_DAYS if self.is_horizon_near else _HORIZON_DAYS

    @contextmanager
    def _same_ids(self) -> Any:
        with mock.patch("secrets.token_hex", lambda size: self.random.randbytes(size).hex()):
            yield

    async def _live(self) -> None:
        self.network.chances = CALM
        snapshot_every = self.random.choice([3, 8, 512])
        count = self.random.choice([1, 2, 2, 3])
        self.replicas = [Replica(snapshot_every, self._horizon_days) for _ in range(count)]
        await self.replicas[0].store.pools.create(POOL)
        await self.ask(AddTasks(tuple(settings.tasks(self.random, 0))))
        await self.ask(Create(RUN, settings.config(self.random)))
        self.network.chances = LOSSES if self.is_lossy else FAULTS
        self.likings = likings(self.random, pool_grows=self.is_lossy)
        self._may_lose = self.random.random() < 0.25 or self.is_lossy
        self.trainers = [Trainer(self, number) for number in range(self.random.choice([1, 2, 3]))]
        await asyncio.gather(*(trainer.live() for trainer in self.trainers))
        self.network.chances = CALM
        while self.network.points:
            await self.network.turn()
        self.clock.move(10_000_000)
        await check(self)
        for each in self._retired + self.replicas:
            await each.close()

    def begin_anew(self) -> None:
        """Let one more replica begin, which knows nothing yet."""
        self.replicas.append(Replica(self.replicas[0].snapshot_every, self._horizon_days))

    # Calls

    async def ask(self, operation: Operation) -> Any:
        """What a trainer hears, an answer or an error; None if it gives up."""
        for _ in range(MOST_CALLS):
            heard = asyncio.get_running_loop().create_future()
            self._waiting.append(heard)
            self._send(operation, heard)
            if self.random.random() < self.network.chances.twice:
                self._send(operation, heard)
            answer = await heard
            self._waiting.remove(heard)
            if answer is not LOST and not isinstance(answer, _TRIED_AGAIN):
                return answer
        return None

    def _send(self, operation: Operation, heard: asyncio.Future[Any]) -> None:
        replica = self.random.choice(self.replicas)
        work = replica.start(self._attempt(replica, operation, heard))

        def ended(work: asyncio.Task[Any]) -> None:
            if work.cancelled():
                self.network.points.append(Reply(heard, LOST))
            elif (error := work.exception()) is not None:
                self._failure = error

        work.add_done_callback(ended)

    async def _attempt(self, replica: Replica, operation: Operation, heard: asyncio.Future[Any]) -> None:
        await self.network.turn()
        attempt = Attempt(operation, self.witness.deletions)
        attempts.set(attempt)
        try:
            answer = await operation.perform(replica.store)
        except Exception as error:
            if isinstance(error, AssertionError):
                raise
            check_refusal(self.witness, attempt, error)
            answer = error
        else:
            check_answer(attempt, answer)
            if isinstance(operation, Select):
                answer = attempt.expected
        self.network.points.append(Reply(heard, answer))

    # What comes about

    def _step(self) -> None:
        if self._failure is not None:
            raise self._failure
        self.steps += 1
        assert self.steps < MOST_STEPS, "it never ends"
        fate, chances = self.random.random(), self.network.chances
        if fate < (limit := chances.crash):
            self._crash()
        elif fate < (limit := limit + chances.tick):
            self.clock.move(self.random.randrange(1, 5_000))
        elif fate < (limit := limit + chances.leap):
            self.clock.move(self.random.choice([10_000, 60_000, 600_000, -2_000, -60_000]))
        elif fate < (limit := limit + chances.loss * self._may_lose):
            self._keep_or_lose()
        elif fate < limit + chances.impatience and self._waiting:
            waiting = self.random.choice(self._waiting)
            if not waiting.done():
                waiting.set_result(LOST)
        else:
            self.network.go_on()

    def _keep_or_lose(self) -> None:
        """Copy all that Redis has, or let it fall back to that copy: what was acknowledged since is lost."""
        if self._kept is None:
            self._kept = (self.server.dump(), self.witness.kept())
            return
        keys, known = self._kept
        self._kept = None
        self.server.restore(keys)
        self.clock.move_on()
        self.witness.fall_back(known)

    def _crash(self) -> None:
        place = self.random.randrange(len(self.replicas))
        dead = self.replicas[place]
        dead.die()
        self._retired.append(dead)
        self.replicas[place] = Replica(dead.snapshot_every, self._horizon_days)
