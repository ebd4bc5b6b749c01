import asyncio
import time

import pytest

from selector_api.store.phases import Phase, measured, phase


def spend(name: Phase, seconds: float) -> None:
    with phase(name):
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


def test_a_phase_that_fails_counts_too() -> None:
    with measured() as seconds, pytest.raises(RuntimeError), phase("draw"):
        raise RuntimeError
    assert "draw" in seconds


def test_outside_nothing_is_kept() -> None:
    spend("redis", 0.0)
    with measured() as seconds:
        pass
    spend("redis", 0.0)
    assert seconds == {}


def test_calls_at_the_same_time_have_their_own() -> None:
    async def call(name: Phase) -> list[Phase]:
        with measured() as seconds:
            with phase(name):
                await asyncio.sleep(0)
            return list(seconds)

    async def both() -> list[list[Phase]]:
        return list(await asyncio.gather(call("fold"), call("draw")))

    assert asyncio.run(both()) == [["fold"], ["draw"]]
