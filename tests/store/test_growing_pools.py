"""An addition to a pool costs what is new, in the process that adds and in those that follow.

Work is counted, not timed: as the most memory that a step needs at once, by Python and numpy. Whatever goes through
the whole pool needs an array as long as that.
"""

from __future__ import annotations

import statistics
import tracemalloc
from collections.abc import Awaitable
from typing import Any, TypeVar

import numpy as np
import pytest

from selector_api.core.config import RunConfig
from selector_api.core.posteriors import PosteriorConfig
from selector_api.core.posteriors.bots import Bots
from selector_api.core.posteriors.interpolation import Interpolation
from selector_api.core.posteriors.rasch import Rasch
from selector_api.core.task_rows import TaskRows
from selector_api.core.texts import Texts
from selector_api.store.store import Store
from tests.store.helpers import POOL, RUN, select

pytestmark = pytest.mark.anyio

T = TypeVar("T")
SMALL, LARGE = 5_000, 400_000
NEW = 100
ADDITIONS = 13


def rows(first: int, count: int) -> TaskRows:
    """Tasks of four domains and 25 classes each."""
    numbers = np.arange(first, first + count)
    return TaskRows(
        Texts.of([f"task-{number:08d}" for number in numbers.tolist()]),
        tuple("abcd"),
        (numbers % 4).astype(np.int32),
        {"weak": numbers // 4 % 5 / 8, "strong": numbers // 20 % 5 / 8 + 0.25},
    )


async def needed(step: Awaitable[T]) -> int:
    """The most bytes that are in use at once while a step is done, beside those before it."""
    tracemalloc.start()
    try:
        await step
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def costs(adding: Store, following: Store, tasks: int, posterior: PosteriorConfig) -> dict[str, Any]:
    """By process what an addition of `NEW` tasks to so many needs, by the median: now and then room is made."""
    await adding.pools.create(POOL)
    for first in range(0, tasks, 100_000):
        await adding.pools.add_tasks(POOL, rows(first, min(100_000, tasks - first)))
    await adding.runs.create(RUN, RunConfig(POOL, posterior=posterior))
    seen: dict[str, list[int]] = {"adding": [], "following": []}
    await select(following)
    for first in range(tasks, tasks + ADDITIONS * NEW, NEW):
        seen["adding"].append(await needed(adding.pools.add_tasks(POOL, rows(first, NEW))))
        seen["following"].append(await needed(select(following)))
    live_run = await following.live_runs.of(RUN)
    assert await live_run.glance(lambda state: state.size) == tasks + ADDITIONS * NEW
    await adding.runs.delete(RUN)
    await adding.pools.delete(POOL)
    return {process: statistics.median(each) for process, each in seen.items()}


@pytest.mark.parametrize(
    "posterior", [Bots(implicit=Interpolation("weak", "strong")), Rasch()], ids=lambda kind: kind.type
)
async def test_an_addition_costs_what_is_new(
    store: Store, other_store: Store, posterior: PosteriorConfig
) -> None:
    small = await costs(store, other_store, SMALL, posterior)
    large = await costs(store, other_store, LARGE, posterior)
    for process in ("adding", "following"):
        # A tenth of a byte for each task that was there would be seen.
        assert large[process] < small[process] + (LARGE - SMALL) / 10, (small, large)
