"""The commands of `bots pool` beside import: what there is, and which tasks are drawn."""

from __future__ import annotations

from bots.confirmation import Yes, confirm
from bots.task_names import TaskFile, TaskNames, task_names
from services.command_line.connection import PoolName, Token, Url, connected


def list_pools(url: Url = "", token: Token = None) -> None:
    """List the pools, with how many tasks each has.

    Example:

        bots pool list --url http://selector:8000
    """
    from rich.console import Console

    from bots.tables import table_of

    with connected(url, token) as client:
        rows = [pool.model_dump() for pool in client.pools()]
    Console().print(table_of(["pool", "tasks"], rows))


def show(pool: PoolName, url: Url = "", token: Token = None) -> None:
    """Show how many tasks a pool has, of which domains, measured with which references.

    Example:

        bots pool show math
    """
    from rich.console import Console

    from bots.tables import pairs_of

    with connected(url, token) as client:
        Console().print(pairs_of(client.pool(pool).model_dump()))


def delete(pool: PoolName, yes: Yes = False, url: Url = "", token: Token = None) -> None:
    """Delete a pool that no run draws from. It asks first.

    Example:

        bots pool delete math --yes
    """
    import typer

    with connected(url, token) as client:
        tasks = client.pool(pool).tasks
        confirm(f"Delete pool {pool!r} with its {tasks:,} tasks?", yes)
        client.delete_pool(pool)
    typer.echo(f"pool {pool!r} is deleted")


def retire(
    pool: PoolName, tasks: TaskNames = None, file: TaskFile = None, url: Url = "", token: Token = None
) -> None:
    """Let no run draw these tasks from now on. What is known of them stays.

    Example:

        bots pool retire math gsm8k/17 gsm8k/203
    """
    _tell("retire", pool, task_names(tasks, file), url, token)


def restore(
    pool: PoolName, tasks: TaskNames = None, file: TaskFile = None, url: Url = "", token: Token = None
) -> None:
    """Let runs draw tasks again that were retired.

    Example:

        bots pool restore math gsm8k/17
    """
    _tell("restore", pool, task_names(tasks, file), url, token)


def _tell(what: str, pool: str, tasks: list[str], url: str, token: str | None) -> None:
    import typer

    with connected(url, token) as client:
        (client.retire if what == "retire" else client.restore)(pool, tasks)
    typer.echo(f"pool {pool!r}: {len(tasks):,} tasks {what}d")
