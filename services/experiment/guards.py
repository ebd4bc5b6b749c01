"""What keeps an experiment whole: one process at a time works on it, and it ends in order when asked to."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from selector_api.child_processes import locked
from services.command_line.failures import Failure

LOCK = "lock"
# How long the trainings of an experiment that was killed may take to end.
WAIT_SECONDS = 60.0
POLL_SECONDS = 0.1


@contextmanager
def only_one(folder: Path) -> Iterator[int]:
    """Hold the lock of an experiment's folder, and give its file descriptor.

    Child processes inherit it, so that the lock is free only when they have ended too: those of an experiment that
    was killed are waited for. Raises `Failure` if another process works on the experiment.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + WAIT_SECONDS
        while not locked(lock):
            owner = os.pread(lock, 20, 0).decode()
            if time.monotonic() > deadline or _lives(owner):
                raise Failure(
                    f"{folder} is in use by process {owner} or a training that it started: end it first"
                )
            time.sleep(POLL_SECONDS)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        yield lock
    finally:
        os.close(lock)


@contextmanager
def stop_requests() -> Iterator[Sequence[int]]:
    """Inside, SIGINT and SIGTERM only fill the list that is given; the main thread looks at it."""
    requests: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda number, _: requests.append(number)) for number in numbers]
    try:
        yield requests
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _lives(owner: str) -> bool:
    try:
        os.kill(int(owner), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
