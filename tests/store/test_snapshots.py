import pytest

from selector_api.core import snapshot
from selector_api.core.config import RunConfig
from selector_api.core.state import RunState
from selector_api.store.codec import encode_snapshot
from selector_api.store.errors import UnreadableData
from selector_api.store.log_parts import Bookmark
from selector_api.store.runs import Run
from selector_api.store.snapshots import Snapshot, restored
from selector_api.store.store import Store
from tests.store.helpers import (
    POOL,
    RUN,
    make_run,
    select,
)

pytestmark = pytest.mark.anyio


async def places_in_log(store: Store, run: Run, events: int) -> list[Bookmark]:
    """The places behind the first events of the run's log, of which selections make as many as asked for."""
    for _ in range(events - 1):
        await select(store, 1)
    stretch = await store.logs.read(run, Bookmark(0))
    assert stretch is not None
    places = [Bookmark(0)]
    for event in stretch.events:
        places.append(places[-1].after([event]))
    return places


async def test_the_newest_snapshot_is_kept(store: Store) -> None:
    await make_run(store, tasks=30)
    run = await store.runs.find(RUN)
    places = await places_in_log(store, run, 7)
    for seq, data in ((5, b"five"), (3, b"three"), (5, b"other five"), (7, b"seven"), (6, b"six")):
        await store.snapshots.save(run, places[seq], data)
    assert await store.snapshots.newest(RUN) == Snapshot(run.incarnation, places[7], b"seven")


async def test_a_snapshot_of_a_log_that_went_on_differently_is_not_kept(store: Store) -> None:
    await make_run(store, tasks=30)
    run = await store.runs.find(RUN)
    places = await places_in_log(store, run, 3)
    await store.snapshots.save(run, Bookmark(3, places[2].digest), b"of another log")
    assert await store.snapshots.newest(RUN) is None


async def test_a_snapshot_of_a_deleted_run_is_not_kept(store: Store) -> None:
    await make_run(store)
    run = await store.runs.find(RUN)
    place = (await places_in_log(store, run, 1))[1]
    await store.runs.delete(RUN)
    await store.snapshots.save(run, place, b"one")
    assert await store.snapshots.newest(RUN) is None
    await store.runs.create(RUN, RunConfig(POOL))
    await store.snapshots.save(run, place, b"one")
    assert await store.snapshots.newest(RUN) is None


def test_a_snapshot_that_lacks_something_is_unreadable_so_that_the_log_is_folded() -> None:
    state = RunState.initial(RunConfig(POOL))
    header, arrays = snapshot.taken(state)
    assert restored(encode_snapshot(header, arrays), state.table).config == state.config
    for name in header:
        less = {other: value for other, value in header.items() if other != name}
        with pytest.raises(UnreadableData, match=f"KeyError.*{name}"):
            restored(encode_snapshot(less, arrays), state.table)
