"""Failures of the store, for the commands that work on it."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.command_line.failures import PASSING, Failure


@contextmanager
def store_failures() -> Iterator[None]:
    """Inside, what the store cannot do is a `Failure`."""
    from redis.exceptions import RedisError

    from selector_api.store.errors import StoreError

    try:
        yield
    except (StoreError, OSError) as error:
        raise Failure(str(error), PASSING) from error
    except RedisError as error:
        raise Failure(f"Redis refuses: {error}", PASSING) from error
