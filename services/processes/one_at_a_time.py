"""One process at a time works on a folder: it holds the folder's lock as long as it, or a child of it, lives."""

import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selector_api.child_processes import locked
from services.command_line.failures import PASSING, Failure, of_file

logger = logging.getLogger(__name__)

LOCK = "lock"
# How long the children of a process that was killed may take to end.
WAIT_SECONDS = 60.0
POLL_SECONDS = 0.1


@contextmanager
def only_one(folder: Path, field: str = "") -> Iterator[int]:
    """Hold the lock of a folder, which is made if need be, and give its file descriptor.

    Child processes that inherit it hold it on, so that the lock is free only when they have ended too: those of a
    process that was killed are waited for. Where the file system has no locks, a warning says so and that is all.

    Args:
        folder: what is worked on.
        field: the configuration's field that names it, for the message.

    Raises:
        Failure: another process works on it, or the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Failure(f"{field}{folder}: {error.strerror or error}", of_file(error)) from error
    try:
        _take(lock, folder, field)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()} {socket.gethostname()}".encode(), 0)
        yield lock
    finally:
        os.close(lock)


def _take(lock: int, folder: Path, field: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    said = False
    try:
        while not locked(lock):
            pid, _, host = os.pread(lock, 300, 0).decode().partition(" ")
            if time.monotonic() > deadline or _lives(pid, host):
                raise Failure(
                    f"{field}{folder} is in use by process {pid} on {host}, or by one that it started: end it "
                    "first, or give another folder",
                    PASSING,
                )
            if not said:
                said = True
                logger.info(
                    "%s is still in use by what process %s on %s has started: waiting", folder, pid, host
                )
            time.sleep(POLL_SECONDS)
    except OSError as error:
        logger.warning("%s cannot be locked (%s): see to it that no other process works on it", folder, error)


def _lives(pid: str, host: str) -> bool:
    """Whether this process is known to live; of another machine's that is not known."""
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
