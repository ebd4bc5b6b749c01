"""What can go wrong in the store.

Messages are for logs; callers that answer for the store read the attributes.

    StoreError
    ├── StoreUnavailable      Redis does not answer or refuses writes: try again later
    ├── Overloaded            too many callers change the same thing at once: try again later
    ├── UnusableUrl           the address of Redis is not one
    ├── UnsupportedServer     the Redis server is too old
    ├── EmbeddedServerFailed  the embedded Valkey does not start
    ├── DataFolderInUse       another service has the data folder
    ├── UnreadableData        something in Redis that this version does not know
    ├── UnknownPool           no such pool
    ├── UnknownRun            no such run
    ├── UnknownSelection      the run made no such selection
    ├── UnknownTask           the run has no such task
    ├── UnknownDomain         the pool has no such domain
    ├── UnknownReference      the pool has no such reference
    ├── TaskNotInSelection    an outcome of a task that the selection does not hold
    ├── TaskConflict          a task's id again with other values
    ├── TooManyReferences     a pool would have more references than it may
    ├── PoolInUse             runs draw from the pool
    ├── RunConflict           the run is there with another configuration
    ├── KeyConflict           the key was used with another batch size
    ├── NotExplained          the key's selection was made without an explanation
    └── TokenConflict         a token of this name is there
"""


class StoreError(Exception):
    """Any failure of the store."""


class StoreUnavailable(StoreError):
    """Redis does not answer or refuses writes; the same call may succeed later."""


class Overloaded(StoreError):
    """Too many callers change the same thing at once; the same call may succeed later."""


class UnusableUrl(StoreError):
    """The address of Redis has options that there are not, or with other values than they take."""


class UnsupportedServer(StoreError):
    """The Redis server is older than this service needs."""


class EmbeddedServerFailed(StoreError):
    """The embedded Valkey cannot be found or does not start."""


class DataFolderInUse(StoreError):
    """Another service runs on the data folder; `url` is where its Valkey listens, if that is known."""

    def __init__(self, message: str, url: str | None) -> None:
        super().__init__(message)
        self.url = url


class UnreadableData(StoreError):
    """Something in Redis is damaged or was written by a later version."""


class UnknownPool(StoreError):
    """There is no such pool."""

    def __init__(self, pool: str) -> None:
        super().__init__(f"pool {pool!r} does not exist: create it first")
        self.pool = pool


class UnknownRun(StoreError):
    """There is no such run."""

    def __init__(self, run: str) -> None:
        super().__init__(f"run {run!r} does not exist: create it first")
        self.run = run


class UnknownSelection(StoreError):
    """The run made no such selection."""

    def __init__(self, selection: str) -> None:
        super().__init__(f"selection {selection!r} was not made by this run: report to the run that made it")
        self.selection = selection


class UnknownTask(StoreError):
    """The run has no such task."""

    def __init__(self, task: str) -> None:
        super().__init__(f"task {task!r} is not in the run: add it to the run's pool first")
        self.task = task


class UnknownDomain(StoreError):
    """A configuration names a domain that the pool does not have."""

    def __init__(self, domain: str) -> None:
        super().__init__(f"domain {domain!r} has no task in the pool: add its tasks first")
        self.domain = domain


class UnknownReference(StoreError):
    """A configuration names a reference that no task of the pool was measured with."""

    def __init__(self, reference: str) -> None:
        super().__init__(f"reference {reference!r} was measured on no task of the pool: add such tasks first")
        self.reference = reference


class TaskNotInSelection(StoreError):
    """An outcome names a task that the selection does not hold."""

    def __init__(self, task: str) -> None:
        super().__init__(f"task {task!r} is not in the selection: report only the tasks it was given")
        self.task = task


class TaskConflict(StoreError):
    """A task's id is there already with another domain or other references."""

    def __init__(self, task: str) -> None:
        super().__init__(f"task {task!r} is there with other values: use a new id")
        self.task = task


class TooManyReferences(StoreError):
    """The tasks of a pool would have been measured with more references than a pool may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"references: a pool has at most {limit} in all; put the tasks into several pools")


class PoolInUse(StoreError):
    """Runs draw from the pool, so it cannot be deleted."""

    def __init__(self, pool: str, runs: list[str]) -> None:
        super().__init__(f"pool {pool!r} is in use: delete its runs first")
        self.pool = pool
        self.runs = runs


class RunConflict(StoreError):
    """The run is there with another configuration."""

    def __init__(self, run: str, reason: str) -> None:
        super().__init__(f"run {run!r} exists already: {reason}")
        self.run = run


class KeyConflict(StoreError):
    """The key was used before with another batch size."""

    def __init__(self, batch_size: int) -> None:
        super().__init__(f"the key was used before with batch_size {batch_size}: use a new key")
        self.batch_size = batch_size


class NotExplained(StoreError):
    """The key's selection was made without an explanation, and none can be given afterwards."""

    def __init__(self) -> None:
        super().__init__("the key's selection was made without explain: ask without it, or use a new key")


class TokenConflict(StoreError):
    """A token of this name is there already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"a token named {name!r} exists: delete it first, or choose another name")
        self.name = name
