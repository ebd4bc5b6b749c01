import asyncio
import threading
import time

import pytest

from selector_api.store.threads import Threads
from selector_api.store.timings import Timing, held, measured, timed


def spend(name: Timing, seconds: float) -> None:
    with timed(name):
        time.sleep(seconds)


def test_the_times_of_a_phase_add_up() -> None:
    with measured() as seconds:
        assert seconds == {}
        spend("redis", 0.01)
        spend("fold", 0.01)
        spend("redis", 0.01)
    assert list(seconds) == ["redis", "fold"]
    assert seconds["redis"] >= 0.02
    assert seconds["fold"] >= 0.01


def test_what_a_phase_inside_another_takes_is_not_the_outer_ones() -> None:
    started = time.perf_counter()
    with measured() as seconds, timed("fold"):
        spend("redis", 0.02)
        with timed("draw"):
            spend("wait", 0.02)
        spend("redis", 0.02)
    assert seconds["redis"] >= 0.04
    assert seconds["wait"] >= 0.02
    assert sum(seconds.values()) <= time.perf_counter() - started


def test_a_phase_that_fails_counts_too() -> None:
    with measured() as seconds, pytest.raises(RuntimeError), timed("draw"):
        raise RuntimeError
    assert "draw" in seconds


def test_outside_nothing_is_kept() -> None:
    spend("redis", 0.0)
    with measured() as seconds:
        pass
    spend("redis", 0.0)
    assert seconds == {}


def test_calls_at_the_same_time_have_their_own() -> None:
    async def call(name: Timing) -> list[Timing]:
        with measured() as seconds:
            with timed(name):
                await asyncio.sleep(0)
            return list(seconds)

    async def both() -> list[list[Timing]]:
        return list(await asyncio.gather(call("fold"), call("draw")))

    assert asyncio.run(both()) == [["fold"], ["draw"]]


def test_a_lock_that_another_holds_is_waited_for() -> None:
    async def call(lock: asyncio.Lock) -> dict[Timing, float]:
        with measured() as seconds:
            async with held(lock):
                assert lock.locked()
            return dict(seconds)

    async def both() -> dict[Timing, float]:
        lock = asyncio.Lock()
        await lock.acquire()
        caller = asyncio.create_task(call(lock))
        await asyncio.sleep(0)  # the caller runs until it waits
        time.sleep(0.02)
        lock.release()
        seconds = await caller
        assert not lock.locked()
        return seconds

    seconds = asyncio.run(both())
    assert list(seconds) == ["wait"]
    assert seconds["wait"] >= 0.02


def test_what_waits_for_a_thread_is_not_at_work() -> None:
    async def call(threads: Threads) -> tuple[dict[Timing, float], float]:
        started = time.perf_counter()
        with measured() as seconds:
            with timed("draw"):
                await threads.run(time.sleep, 0.02)
            return dict(seconds), time.perf_counter() - started

    async def after_another() -> tuple[dict[Timing, float], float]:
        threads, go_on = Threads(threads=1), threading.Event()
        try:
            other = asyncio.create_task(threads.run(go_on.wait))
            caller = asyncio.create_task(call(threads))
            await asyncio.sleep(0)  # both run until they wait
            time.sleep(0.02)
            go_on.set()
            await other
            return await caller
        finally:
            threads.close()

    seconds, whole = asyncio.run(after_another())
    assert seconds["wait"] >= 0.02
    assert seconds["draw"] >= 0.02
    assert sum(seconds.values()) <= whole
