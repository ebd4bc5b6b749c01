"""The measured tasks as a pool of the selector."""

from collections.abc import Iterable

from services.command_line.connection import connected
from services.command_line.failures import Failure
from services.reference_eval.config import Pool
from services.task_files import filling
from trainer_client import Conflict, Task, TaskReceipt


def fill(target: Pool, tasks: Iterable[Task]) -> TaskReceipt:
    """Put tasks into the pool, which is made if it is not there. Raises `Failure` if the service refuses."""
    with connected(target.url, section="pool") as client:
        try:
            return filling.fill(client, target.pool, tasks)
        except Conflict as error:
            raise Failure(
                f"pool {target.pool!r}: {error}. What a pool says of a task cannot change, and what a run reads "
                "cannot come later: give the reference another name, or fill a new pool; what is measured is kept, "
                "so starting again with another pool.pool only sends the tasks"
            ) from error
