"""An experiment ends in order when it is asked to."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


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
