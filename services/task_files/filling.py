"""Tasks into a pool."""

from collections.abc import Iterable
from contextlib import suppress

from services.command_line.failures import Failure
from trainer_client import ApiError, NotFound, SelectorClient, SelectorError, Task, TaskReceipt


def fill(client: SelectorClient, pool: str, tasks: Iterable[Task]) -> TaskReceipt:
    """Add tasks to a pool, which is made if it is not there; one that was made and got none is not left behind.

    Raises:
        ApiError: The service refuses.
        SelectorUnavailable: It is away.
    """
    there = is_there(client, pool)
    client.create_pool(pool)
    try:
        return client.add_tasks(pool, tasks)
    except (ApiError, Failure, KeyboardInterrupt):
        with suppress(SelectorError):
            if not there and not client.pool(pool).tasks:
                client.delete_pool(pool)
        raise


def is_there(client: SelectorClient, pool: str) -> bool:
    """Whether the service has this pool."""
    try:
        client.pool(pool)
    except NotFound:
        return False
    return True
