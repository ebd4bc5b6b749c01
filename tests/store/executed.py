"""Scripts that Redis executes once more, as when a connection dies behind which a command was held up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

from selector_api.store.scripts import RunScript, Scripts
from selector_api.store.store import Store


@contextmanager
def executed_again(
    store: Store, script: RunScript, at_once: bool = False
) -> Iterator[Callable[[], Awaitable[Any]]]:
    """What executes the last call of this script again; with `at_once` each is, and the second reply is told."""
    calls: list[tuple[Sequence[str], tuple[str | bytes | int, ...]]] = []
    run = Scripts.run

    async def noting(self: Scripts, name: RunScript, keys: Sequence[str], *args: str | bytes | int) -> Any:
        if name == script:
            calls.append((keys, args))
            if at_once:
                await run(self, name, keys, *args)
        return await run(self, name, keys, *args)

    async def again() -> Any:
        keys, args = calls[-1]
        return await Scripts(store.redis).run(script, keys, *args)

    with mock.patch.object(Scripts, "run", noting):
        yield again
