"""Tasks into a pool."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from services.command_line.failures import Failure
from trainer_client import ApiError, NotFound, SelectorClient, SelectorError, Task, TaskReceipt

if TYPE_CHECKING:
    from services.task_files.task_batch import TaskBatch

ROWS_A_BODY = 100_000
"""Tasks that are sent at a time; the service takes 250,000, or 4,000,000 values."""
_VALUES_A_BODY = 2_000_000
_BYTES_A_BODY = 16 * 2**20
_ROWS_COMPARED = 65_536


def fill(client: SelectorClient, pool: str, tasks: Iterable[Task]) -> TaskReceipt:
    """Add tasks to a pool, which is made if it is not there; one that was made and got none is not left behind.

    Raises:
        ApiError: The service refuses.
        SelectorUnavailable: It is away.
    """
    with _made(client, pool):
        return client.add_tasks(pool, tasks)


def fill_with_batches(client: SelectorClient, pool: str, batches: Iterable[TaskBatch]) -> TaskReceipt:
    """Like `fill`, for millions of tasks: while the service takes some in, the next are read and written."""
    with _made(client, pool):
        return client.add_parquet(pool, _ahead(batch.to_parquet() for batch in _bodies(batches)))


def tasks_of_pool(client: SelectorClient, pool: str) -> Iterator[TaskBatch]:
    """The tasks that a pool has, of which none are kept."""
    from pyarrow.parquet import ParquetFile

    from services.task_files.task_batch import TaskBatch

    with tempfile.TemporaryDirectory(prefix="bots-") as folder:
        path = Path(folder, "tasks.parquet")
        client.download_tasks(pool, path)
        with ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS_COMPARED, use_threads=False):
                yield TaskBatch.of_pool(batch)


def is_there(client: SelectorClient, pool: str) -> bool:
    """Whether the service has this pool."""
    try:
        client.pool(pool)
    except NotFound:
        return False
    return True


@contextmanager
def _made(client: SelectorClient, pool: str) -> Iterator[None]:
    there = is_there(client, pool)
    client.create_pool(pool)
    try:
        yield
    except (ApiError, Failure, KeyboardInterrupt):
        with suppress(SelectorError):
            if not there and not client.pool(pool).tasks:
                client.delete_pool(pool)
        raise


def _bodies(batches: Iterable[TaskBatch]) -> Iterator[TaskBatch]:
    """The tasks in larger batches, each no more than the service takes at a time."""
    from services.task_files.task_batch import joined

    some: list[TaskBatch] = []
    rows = size = 0
    for batch in batches:
        cells = 2 + len(batch.references)
        if some and (
            rows + len(batch) > min(ROWS_A_BODY, _VALUES_A_BODY // cells)
            or size + batch.ids.nbytes > _BYTES_A_BODY
        ):
            yield joined(some)
            some, rows, size = [], 0, 0
        some.append(batch)
        rows, size = rows + len(batch), size + batch.ids.nbytes
    if some:
        yield joined(some)


def _ahead(items: Iterable[bytes]) -> Iterator[bytes]:
    """The items, of which the next is made while one is used."""
    iterator = iter(items)
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, iterator, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, iterator, None)
            yield item
