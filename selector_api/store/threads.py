"""Work of more than a millisecond, done beside the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from selector_api.store.timings import waited

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A few threads of their own: numpy work neither blocks the loop nor starves what else uses threads."""

    quick_seconds = 0.005
    """Work that took less before is not worth a thread: for so long the interpreter lets one run before others have
    their turn, and handing the work over and back takes a good part of a millisecond."""

    def __init__(self, threads: int = 2) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="bots-worker")

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the function returns. A cancelled caller stops waiting; the thread works on to its end."""
        asked = time.perf_counter()
        queued = 0.0

        def work() -> T:
            nonlocal queued
            queued = time.perf_counter() - asked
            return function(*args, **kwargs)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            waited(queued)

    def close(self) -> None:
        """Let running work finish and take no more."""
        self._executor.shutdown()
