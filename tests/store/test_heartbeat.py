"""Services on several machines, whose locks do not know of each other, want one data folder."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selector_api.store import embedded_valkey, heartbeat
from selector_api.store.embedded_valkey import EmbeddedValkey
from selector_api.store.errors import DataFolderInUse
from selector_api.store.heartbeat import FILE, Heartbeat, Pace

pytestmark = pytest.mark.anyio

QUICK = Pace(beat=0.02, settle=0.1, stale=0.5)


@pytest.fixture
def made(tmp_path: Path) -> Any:
    """Makes heartbeats of machines, whose owners are told of what they lose; all end with the test."""
    beats: list[Heartbeat] = []

    def make(machine: str, lost: Callable[[], None] = lambda: None) -> Heartbeat:
        beats.append(Heartbeat(tmp_path, lost, machine, QUICK))
        return beats[-1]

    yield make
    for each in beats:
        each.end()


def always() -> bool:
    return True


def never() -> bool:
    return False


def holds(folder: Path) -> dict[str, Any]:
    return json.loads((folder / FILE).read_bytes())


def remain_of_a_crash(folder: Path, machine: str = "other") -> None:
    """What a service leaves behind that could not say goodbye."""
    owner = {"host": "node-7", "machine": machine, "pid": 7, "beat": 3, "address": "http://node-7:8000"}
    (folder / FILE).write_bytes(json.dumps(owner).encode())


async def taken_over(folder: Path, lost: asyncio.Event) -> None:
    """Another machine's service writes the file until this one has noticed: a beat may come between."""
    while not lost.is_set():
        remain_of_a_crash(folder)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(lost.wait(), 1)


async def test_while_one_lives_another_machine_is_refused_in_words(tmp_path: Path, made: Any) -> None:
    await made("here").claim(always)
    holder = holds(tmp_path)
    with pytest.raises(
        DataFolderInUse, match=f"pid {holder['pid']} on the machine {holder['host']}"
    ) as caught:
        await made("other").claim(always)
    assert caught.value.url is None  # a socket of another machine is of no use here
    assert holds(tmp_path)["machine"] == "here"


async def test_a_goodbye_lets_the_next_one_begin_at_once(tmp_path: Path, made: Any) -> None:
    first = made("here")
    await first.claim(always)
    first.end()
    assert not (tmp_path / FILE).exists()
    await made("other").claim(always)
    assert holds(tmp_path)["machine"] == "other"


async def test_a_goodbye_ends_the_waiting(tmp_path: Path, made: Any) -> None:
    remain_of_a_crash(tmp_path)
    waiting = asyncio.create_task(made("here").claim(always))
    await asyncio.sleep(0)
    (tmp_path / FILE).unlink()
    await waiting
    assert holds(tmp_path)["machine"] == "here"


async def test_one_that_gives_no_sign_is_succeeded(
    tmp_path: Path, made: Any, caplog: pytest.LogCaptureFixture
) -> None:
    remain_of_a_crash(tmp_path)
    with caplog.at_level(logging.WARNING):
        await made("here").claim(always)
    assert holds(tmp_path)["machine"] == "here"
    assert "was last used on node-7: looking for up to" in caplog.text


async def test_on_one_machine_the_lock_decides_without_waiting(tmp_path: Path, made: Any) -> None:
    remain_of_a_crash(tmp_path, machine="here")
    with pytest.raises(DataFolderInUse, match="at http://node-7:8000 with pid 7: use that one"):
        await made("here").claim(never)
    await made("here").claim(always)
    assert holds(tmp_path)["pid"] != 7


async def test_a_lock_that_its_dead_owner_still_has_is_respected(tmp_path: Path, made: Any) -> None:
    remain_of_a_crash(tmp_path)
    with pytest.raises(DataFolderInUse, match="node-7"):
        await made("here").claim(never)
    (tmp_path / FILE).unlink()
    with pytest.raises(DataFolderInUse, match="pid unknown"):  # of another release, without a heartbeat
        await made("here").claim(never)


async def test_of_two_that_begin_at_once_one_owns_it(tmp_path: Path, made: Any) -> None:
    for before in ("nothing", "a crash"):
        if before == "a crash":
            remain_of_a_crash(tmp_path)
        two = [made("a"), made("b")]
        ends = await asyncio.gather(*(each.claim(always) for each in two), return_exceptions=True)
        assert sorted(map(type, ends), key=str) == [type(None), DataFolderInUse], before
        for each in two:
            each.end()


async def test_who_slept_and_was_succeeded_is_told(tmp_path: Path, made: Any) -> None:
    lost = asyncio.Event()
    loop = asyncio.get_running_loop()
    await made("here", lambda: loop.call_soon_threadsafe(lost.set)).claim(always)
    await taken_over(tmp_path, lost)
    assert holds(tmp_path)["machine"] == "other"


async def test_a_disk_that_is_full_for_a_while_is_no_loss(
    tmp_path: Path, made: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lost: list[None] = []
    beating = made("here", lambda: lost.append(None))
    await beating.claim(always)
    full = asyncio.Event()
    loop = asyncio.get_running_loop()

    def no_space(*_: Any) -> int:
        loop.call_soon_threadsafe(full.set)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(heartbeat.os, "pwrite", no_space)
        await asyncio.wait_for(full.wait(), 30)
    beat = holds(tmp_path)["beat"]
    while holds(tmp_path)["beat"] == beat:
        await asyncio.sleep(0.01)
    assert not lost
    assert "cannot be written: [Errno 28]" in caplog.text


async def test_an_embedded_valkey_that_has_lost_its_folder_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_valkey, "Heartbeat", lambda *arguments: Heartbeat(*arguments, QUICK))  # pyright: ignore[reportCallIssue]
    async with EmbeddedValkey(tmp_path) as server:
        await taken_over(tmp_path, server.lost)
        while server.pid is not None:
            await asyncio.sleep(0.01)
    assert holds(tmp_path)["machine"] == "other"


async def test_without_locks_the_heartbeat_alone_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_locks(*_: Any) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    monkeypatch.setattr(embedded_valkey, "Heartbeat", lambda *arguments: Heartbeat(*arguments, QUICK))  # pyright: ignore[reportCallIssue]
    monkeypatch.setattr(embedded_valkey, "machine", lambda: "here")
    async with EmbeddedValkey(tmp_path) as server:
        assert "its heartbeat alone keeps other services away" in caplog.text
        monkeypatch.setattr(embedded_valkey, "machine", lambda: "other")
        with pytest.raises(DataFolderInUse):
            await EmbeddedValkey(tmp_path).start()
        assert server.pid is not None
