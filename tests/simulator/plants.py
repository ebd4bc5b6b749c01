"""Bugs that are planted in scripts and in the store's code, each of which the simulator must find."""

from __future__ import annotations
import __future__

import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from selector_api.store.live_run import LiveRun
from selector_api.store.pools import Pools


@dataclass(frozen=True)
class Plant:
    """A text that is replaced by another one: in every script that has it, or in a method."""

    name: str
    old: str
    new: str
    method: Callable[..., Any] | None = None
    """Of whatever class; None: in the scripts."""
    is_rare: bool = False
    """Whether it takes more schedules to find than `make test` has."""
    is_of_old: bool = False
    """Whether it shows behind a horizon alone."""

    @property
    def lua(self) -> tuple[str, str] | None:
        return (self.old, self.new) if self.method is None else None

    @contextmanager
    def planted(self) -> Iterator[None]:
        """With the method changed, if it is one."""
        if self.method is None:
            yield
            return
        text = textwrap.dedent(inspect.getsource(self.method))
        assert self.old in text, self.name
        made: dict[str, Any] = {}
        flags = __future__.annotations.compiler_flag
        scope = self.method.__globals__
        exec(compile(text.replace(self.old, self.new), self.name, "exec", flags), scope, made)
        class_name, name = self.method.__qualname__.split(".")
        with mock.patch.object(scope[class_name], name, made[name]):
            yield


PLANTS = [
    Plant(
        "ids of selections by their numbers alone",
        "f\"s{drawn['number']}-{secrets.token_hex(4)}\"",
        "f\"s{drawn['number']}\"",
        LiveRun.select,
        is_rare=True,
    ),
    Plant(
        "outcomes that have entered the log are not looked up",
        "missing > 0 and selection.events or ''",
        "''",
    ),
    Plant(
        "outcomes under a key count again",
        "redis.call('HSETNX', IDEMPOTENCY, field, outcome) == 1",
        "redis.call('HSET', IDEMPOTENCY, field, outcome) >= 0",
    ),
    Plant(
        "leases with something reported do not end",
        "if not is_closed(selection) then close(selection, at, 'lease'",
        "if not is_closed(selection) and selection.known == 0 then close(selection, at, 'lease'",
    ),
    Plant("a selection that ends keeps its lease", "redis.call('ZREM', LEASES, selection.id)\n", "\n"),
    Plant(
        "a lease that has ended is renewed",
        "if is_closed(selection) then return {'closed'",
        "if false then return {'closed'",
    ),
    Plant(
        "a selection ends while outcomes of it wait",
        "is_ending(selection) and waiting_of(selection) == #part[2]",
        "is_ending(selection)",
    ),
    Plant(
        "a batch is appended although another one came first",
        "redis.call('HLEN', SELECTIONS) + tonumber(state[3] or 0) ~= tonumber(selections)",
        "false",
    ),
    Plant(
        "a batch is appended although tasks were excluded",
        "(state[4] or '0') ~= changes",
        "false",
        is_rare=True,
    ),
    Plant("the key of a selection is not noted", "redis.call('HSET', IDEMPOTENCY, field, id)", ""),
    Plant(
        "a run is made twice",
        "if known[1] then",
        "if known[1] and known[1] ~= incarnation then",
        is_rare=True,
    ),
    Plant(
        "all reports up to one that is there are held to be there",
        "taken[#taken + 1] = digits(low)",
        "taken[#taken + 1] = digits(lowest)",
        is_rare=True,
    ),
    Plant("a run follows its pool twice", "or (known[3] or '0') ~= ARGV[3]", "", is_rare=True),
    Plant(
        "a replica folds its own selection before what came between",
        "if appended.seq == self._place.seq + 1:",
        "if True:",
        LiveRun.select,
    ),
    Plant(
        "two calls change a replica's state at once",
        "async with held(self._lock):",
        "if True:",
        LiveRun.select,
    ),
    Plant(
        "an import that was interrupted is never completed",
        "for run in await self.registered(pool):",
        "for run in await self.registered(pool) if new.chunks else ():",
        Pools.add_tasks,
        is_rare=True,
    ),
    Plant(
        "a selection is forgotten of which something waits",
        "if not is_closed(selection) or waiting_of(selection) > 0 then return 0 end",
        "",
        is_of_old=True,
    ),
    Plant(
        "places of a log that is packed count from what is left",
        "return event, packed + redis.call('RPUSH', LOG, event)",
        "return event, redis.call('RPUSH', LOG, event)",
        is_of_old=True,
    ),
    Plant(
        "what is forgotten is counted again",
        "if is_forgotten(ARGV[i]) then return {'past-horizon'} end",
        "",
        is_rare=True,
        is_of_old=True,
    ),
]
