"""Snapshots of runs: a cold process reads the newest one, and of the log only what came after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from selector_api.core import snapshot
from selector_api.core.snapshot import Arrays, Header
from selector_api.core.state import RunState
from selector_api.core.tasks import TaskTable
from selector_api.store.codec import decode_snapshot
from selector_api.store.connection import StoreClient
from selector_api.store.errors import UnreadableData
from selector_api.store.keys import run_keys
from selector_api.store.log_parts import Bookmark
from selector_api.store.scripts import Scripts

if TYPE_CHECKING:
    from selector_api.store.runs import Run


@dataclass(frozen=True)
class Snapshot:
    """The state of a run at a place of its log, encoded."""

    incarnation: str
    place: Bookmark
    data: bytes


class Snapshots:
    """The newest snapshot of each run."""

    def __init__(self, redis: StoreClient, scripts: Scripts) -> None:
        self._redis = redis
        self._scripts = scripts

    async def newest(self, name: str) -> Snapshot | None:
        """The newest snapshot of the run."""
        incarnation, seq, digest, data = await self._redis.read_fields(
            run_keys(name).snapshot, "incarnation", "seq", "digest", "data"
        )
        if incarnation is None or seq is None or digest is None or data is None:
            return None
        return Snapshot(incarnation.decode(), Bookmark(int(seq), digest.decode()), data)

    async def seq(self, name: str) -> int:
        """The `seq` of the last event in the run's newest snapshot, 0 if there is none."""
        (seq,) = await self._redis.read_fields(run_keys(name).snapshot, "seq")
        return int(seq or 0)

    async def save(self, run: Run, place: Bookmark, data: bytes) -> None:
        """Keep a snapshot, unless a newer one is there, or the run or that place of its log is gone."""
        await self._scripts.run(
            "save_snapshot", run_keys(run.name), run.incarnation, place.seq, place.digest, data
        )


def copied(state: RunState) -> tuple[Header, Arrays]:
    """A snapshot of the state, which later events leave as it is."""
    header, arrays = snapshot.taken(state)
    return header, {name: array.copy() for name, array in arrays.items()}


def restored(data: bytes, table: TaskTable) -> RunState:
    """The state of an encoded snapshot.

    Raises:
        UnreadableData: it is damaged, of another version, or not of this table.
    """
    header, arrays = decode_snapshot(data)
    try:
        return snapshot.restored(header, arrays, table)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UnreadableData(f"the snapshot is not of this version ({error!r})") from error
