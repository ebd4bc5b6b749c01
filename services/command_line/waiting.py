"""Signs of life: what takes long says every few seconds that it goes on, on a terminal and in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from rich.console import Console

LONGEST_SILENCE = 4.0
"""Seconds between two lines of a job's first minutes."""


def silence(elapsed: float) -> float:
    """Seconds that may pass without a line, after so many: of a long job's log, one in a hundred is enough."""
    return max(LONGEST_SILENCE, elapsed / 100)


@contextmanager
def going_on(what: str, console: Console) -> Iterator[Callable[[str], None]]:
    """Say what goes on inside: a spinner beside it on a terminal, elsewhere a line now and then another.

    Gives a function that takes what is to be said from then on.
    """
    if console.is_terminal:
        with console.status(what) as status:
            yield status.update
        return
    ended, started = Event(), time.monotonic()

    def say(text: str) -> None:
        nonlocal what
        what = text

    def line() -> None:
        console.print(f"{what} …", highlight=False, markup=False, soft_wrap=True)

    def lines() -> None:
        while not ended.wait(silence(time.monotonic() - started)):
            line()

    line()
    teller = Thread(target=lines, daemon=True)
    teller.start()
    try:
        yield say
    finally:
        ended.set()
        teller.join()
