"""The commands of `bots run` that list runs, and change or delete one that is there."""

from __future__ import annotations

from typing import Annotated

import typer

from bots.confirmation import Yes, confirm
from bots.run_options import CommitOutcomes, changed, given, part
from bots.task_names import TaskFile, TaskNames, task_names
from services.command_line.connection import RunName, Token, Url, checked_name, connected
from services.command_line.failures import Failure


def list_runs(
    pool: Annotated[
        str | None, typer.Option(callback=checked_name, help="Only those that draw from it.")
    ] = None,
    url: Url = "",
    token: Token = None,
) -> None:
    """List the runs, with their pools and steps.

    Example:

        bots run list --pool math
    """
    from rich.console import Console

    from bots.tables import table_of

    with connected(url, token) as client:
        rows = [run.model_dump() for run in client.runs(pool)]
    Console().print(table_of(["run", "pool", "step", "last_commit_at"], rows))


def change(
    run: RunName,
    policy: Annotated[str | None, typer.Option()] = None,
    target: Annotated[float | None, typer.Option()] = None,
    temperature: Annotated[float | None, typer.Option()] = None,
    power: Annotated[float | None, typer.Option()] = None,
    exploration: Annotated[float | None, typer.Option()] = None,
    lease_seconds: Annotated[float | None, typer.Option()] = None,
    share_leased: Annotated[bool | None, typer.Option("--share-leased/--lease-alone")] = None,
    commit_outcomes: CommitOutcomes = None,
    url: Url = "",
    token: Token = None,
) -> None:
    """Change how a run selects from now on; what it has learned stays. Parts that are not named stay, too.

    Its pool and its posterior cannot change: make a run of it with
    `bots run create NEW --fork RUN`.

    Example:

        bots run change my-run --target 0.4
    """
    changes = given(
        {
            "policy": part(
                type=policy, target=target, temperature=temperature, power=power, exploration=exploration
            ),
            "lease_seconds": lease_seconds,
            "share_leased": share_leased,
            "commit": None if commit_outcomes is None else {"outcomes": commit_outcomes},
        }
    )
    if not changes:
        raise Failure("nothing to change: give --policy, --target, --lease-seconds …")
    with connected(url, token) as client:
        if "policy" in changes:
            changes |= changed(client.run_status(run).config, {"policy": changes["policy"]})
        client.patch_run(run, **changes)
    typer.echo(f"run {run!r}: {', '.join(changes)} changed")


def delete(run: RunName, yes: Yes = False, url: Url = "", token: Token = None) -> None:
    """Delete a run with all that it has learned. It asks first.

    Example:

        bots run delete my-run --yes
    """
    with connected(url, token) as client:
        step = client.run_status(run).step
        confirm(f"Delete run {run!r} with its {step:,} steps?", yes)
        client.delete_run(run)
    typer.echo(f"run {run!r} is deleted")


def exclude(
    run: RunName, tasks: TaskNames = None, file: TaskFile = None, url: Url = "", token: Token = None
) -> None:
    """Let this run not draw these tasks from now on. What it has learned of them stays.

    Example:

        bots run exclude my-run gsm8k/17 gsm8k/203
    """
    names = task_names(tasks, file)
    with connected(url, token) as client:
        client.exclude(names, run)
    typer.echo(f"run {run!r}: {len(names):,} tasks excluded")


def include(
    run: RunName, tasks: TaskNames = None, file: TaskFile = None, url: Url = "", token: Token = None
) -> None:
    """Let this run draw tasks again that were excluded.

    Example:

        bots run include my-run gsm8k/17
    """
    names = task_names(tasks, file)
    with connected(url, token) as client:
        client.include(names, run)
    typer.echo(f"run {run!r}: {len(names):,} tasks included")
