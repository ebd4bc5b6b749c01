"""The heartbeat of a data folder: a file in which its owner says again and again that it lives.

A lock ends with its process, so it is the better sign; but not every file system that machines share has locks
that hold between them. So what a lock cannot tell, whether a service on another machine has the folder, is told by
this file. Nobody compares clocks: who wants the folder watches whether the file changes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selector_api.store.errors import DataFolderInUse

log = logging.getLogger(__name__)

FILE = "heartbeat"
_SIZE = 4096
"""Bytes. Each beat overwrites all of the last one, so that readers never see a shorter file."""
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Pace:
    """Seconds; each has to be well above the one before it."""

    beat: float = 2.0
    """Between two beats."""
    settle: float = 5.0
    """After taking over, until it is sure that nobody else did so too."""
    stale: float = 20.0
    """Without a beat, until another machine's service counts as gone."""


PACE = Pace()


def machine() -> str:
    """What tells this machine, as long as it is up, from all others: within it locks hold."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()


class Heartbeat:
    """The file of one data folder, and a thread that beats.

    Args:
        folder: the data folder.
        lost: called in the thread when another service has taken the folder over, as when this machine slept.
        machine: names what the folder's lock is good for.
        pace: how often it beats, and how long is too long.
    """

    def __init__(self, folder: Path, lost: Callable[[], object], machine: str, pace: Pace = PACE) -> None:
        self._folder = folder
        self._path = folder / FILE
        self._lost = lost
        self._pace = pace
        self._owner: dict[str, Any] = {
            "id": secrets.token_hex(8),
            "host": socket.gethostname(),
            "machine": machine,
            "pid": os.getpid(),
            "beat": 0,
        }
        self._owns = False
        self._writing = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    async def claim(self, take_lock: Callable[[], bool]) -> None:
        """Own the folder, and beat from now on.

        If the last owner was on another machine and did not say goodbye, this takes as long as it may take to see
        that it is gone.

        Raises:
            DataFolderInUse: another service has the lock, or lives on another machine.
        """
        taken, seen = take_lock(), self._read()
        if not taken and self._is_ours(seen):
            raise self._in_use(seen)
        elsewhere = seen is not None and not self._is_ours(seen)
        if elsewhere:
            taken = await self._outlive(seen, taken, take_lock)
        if not taken:
            raise self._in_use(seen)
        self._begin(elsewhere)
        if elsewhere:
            await asyncio.sleep(self._pace.settle)
            if not self._is_mine(now := self._read()):
                raise self._in_use(now)
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def tell(self, **more: str) -> None:
        """Say more to whoever finds the folder in use: `url` of the Valkey, `address` of the service."""
        with self._writing:
            self._owner.update(more)
            self._write()

    def end(self) -> None:
        """Stop beating and say goodbye. May be called at any time."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._owns and self._is_mine(self._read()):
            self._path.unlink(missing_ok=True)
        self._owns = False

    async def _outlive(self, seen: bytes | None, taken: bool, take_lock: Callable[[], bool]) -> bool:
        """Wait until the owner elsewhere has said goodbye or not a word for too long; whether the lock is taken."""
        log.warning(
            "the data folder %s was last used on %s: looking for up to %.0f s whether that service lives",
            self._folder,
            _owner(seen).get("host", "another machine"),
            self._pace.stale,
        )
        deadline = time.monotonic() + self._pace.stale
        while time.monotonic() < deadline:
            await asyncio.sleep(_POLL_SECONDS)
            taken = taken or take_lock()
            now = self._read()
            if now is None and taken:
                break
            if now is not None and now != seen:
                raise self._in_use(now)
        return taken

    def _begin(self, takes_over: bool) -> None:
        try:
            # Of two that find no file one makes it.
            flags = os.O_CREAT if takes_over or self._is_ours(self._read()) else os.O_CREAT | os.O_EXCL
            os.close(os.open(self._path, flags | os.O_WRONLY, 0o600))
        except FileExistsError:
            raise self._in_use(self._read()) from None
        self._write()

    def _beat(self) -> None:
        while not self._ended.wait(self._pace.beat):
            try:
                with self._writing:
                    if (now := self._read()) is not None and not self._is_mine(now):
                        break
                    self._owner["beat"] += 1
                    self._write()
            except OSError as error:
                log.warning("the heartbeat of the data folder %s cannot be written: %s", self._folder, error)
        else:
            return
        log.error(
            "another service has taken over the data folder %s, since this one gave no sign of life: ending",
            self._folder,
        )
        self._lost()

    def _read(self) -> bytes | None:
        """The file's content, opened anew so that a network file system asks its server; None if there is none."""
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None

    def _write(self) -> None:
        self._owns = True
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, json.dumps(self._owner).encode().ljust(_SIZE), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _is_mine(self, seen: bytes | None) -> bool:
        return _owner(seen).get("id") == self._owner["id"]

    def _is_ours(self, seen: bytes | None) -> bool:
        return _owner(seen).get("machine") == self._owner["machine"]

    def _in_use(self, seen: bytes | None) -> DataFolderInUse:
        owner, here = _owner(seen), self._is_ours(seen)
        url = owner.get("url") if here else None
        at = f" at {owner['address']}" if "address" in owner else ""
        where = f" on the machine {owner['host']}" if "host" in owner and not here else ""
        share = f", or share its Valkey with --redis-url {url}" if url else ""
        return DataFolderInUse(
            f"the data folder {self._folder} is in use by the service{at} with pid {owner.get('pid', 'unknown')}"
            f"{where}: use that one, or choose another --data-dir{share}",
            url,
        )


def _owner(seen: bytes | None) -> dict[str, Any]:
    try:
        return json.loads(seen or b"{}")
    except ValueError:
        return {}  # it is just being written
