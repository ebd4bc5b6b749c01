"""What lies between the simulated processes: nothing moves on but by the schedule's choice.

A task that waits, for a reply of Redis, for a thread, or for an answer, waits at a point. When none can go on by
itself the event loop is idle; then the seed chooses which point goes on, and what becomes of it on its way.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

from selector_api.store.errors import StoreUnavailable

SENDS = 5
"""How often a client sends a command before it gives up, as `connection.connect` has it."""


class Chances(NamedTuple):
    """How likely each fault is, at each point."""

    request_lost: float = 0.03
    """A command does not reach Redis, and is sent again."""
    reply_lost: float = 0.05
    """A command takes effect, and is sent again."""
    copied: float = 0.02
    """A command takes effect now, and a copy that was held up takes effect at any later time."""
    given_up: float = 0.02
    """The client gives up, whether or not the command took effect."""
    answer_lost: float = 0.08
    """The answer of a replica does not reach its trainer."""
    impatience: float = 0.01
    """A trainer stops waiting, and calls again while the replica is still at work."""
    twice: float = 0.06
    """A trainer's request arrives twice, at any replicas."""
    crash: float = 0.006
    """A replica dies."""
    tick: float = 0.06
    """The clock moves by less than leases last."""
    leap: float = 0.015
    """The clock moves by as much as leases last, or more, or goes back."""
    loss: float = 0.02
    """In some schedules Redis is copied, and later falls back to that: a failover to a Redis replica that lags."""


CALM = Chances(*[0.0] * len(Chances._fields))
FAULTS = Chances()
LOSSES = Chances(copied=0.08, loss=0.06)


class Idle(selectors.SelectSelector):
    """Tells when nothing can go on by itself."""

    def __init__(self, is_idle: Callable[[], None]) -> None:
        super().__init__()
        self._is_idle = is_idle

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None or timeout > 0:
            self._is_idle()
        return []


@dataclass(eq=False)
class Point:
    """Something waits here for its turn: the future is set when it has come, if anybody still waits."""

    future: asyncio.Future[Any]

    def go(self, network: Network) -> None:
        """Its turn has come."""
        if not self.future.done():
            self.future.set_result(None)


@dataclass(eq=False)
class Command(Point):
    """A command on its way to Redis."""

    execute: Callable[..., Any]
    sent: int = 0

    def go(self, network: Network) -> None:
        fate, chances = network.random.random(), network.chances
        if self.future.cancelled():  # its replica has died meanwhile
            if network.random.random() < 0.5:
                self.execute()
            return
        if fate < (limit := chances.request_lost):
            self._send_again(network)
        elif fate < (limit := limit + chances.reply_lost):
            self.execute()
            self._send_again(network)
        elif fate < (limit := limit + chances.given_up):
            if network.random.random() < 0.5:
                self.execute()
            self._give_up()
        else:
            if fate < limit + chances.copied:
                network.points.append(Late(self.future, self.execute))
            self.future.set_result(self.execute())

    def _send_again(self, network: Network) -> None:
        self.sent += 1
        if self.sent < SENDS:
            network.points.append(self)
        else:
            self._give_up()

    def _give_up(self) -> None:
        self.future.set_exception(StoreUnavailable("the simulated network has lost it"))


@dataclass(eq=False)
class Late(Point):
    """A command that was held up: its client has long had the reply to what it sent again."""

    execute: Callable[..., Any]

    def go(self, network: Network) -> None:
        self.execute(is_late=True)


class Network:
    """The points that wait, and the one that goes on."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.chances = FAULTS
        self.points: list[Point] = []

    async def turn(self) -> None:
        """Wait for one's turn."""
        point = Point(asyncio.get_running_loop().create_future())
        self.points.append(point)
        await point.future

    def go_on(self) -> None:
        """Let one point go on."""
        assert self.points, "everything waits, and nothing that can go on"
        self.points.pop(self.random.randrange(len(self.points))).go(self)
