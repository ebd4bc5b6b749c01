"""`bots run`: training runs over a pool."""

import json
import time
from inspect import signature
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import typer

from bots import run_archive, run_care, run_export, run_selections
from bots.run_fields import CommandWithFields
from bots.run_options import (
    CommitOutcomes,
    PassAt,
    Rewards,
    changed,
    given,
    part,
    rewards_of,
    with_types,
)
from services.command_line.connection import RunName, Token, Url, checked_name, connected
from services.command_line.failures import Failure

app = typer.Typer(help="Runs: training runs over a pool.", no_args_is_help=True)
app.command("list")(run_care.list_runs)
app.command(cls=CommandWithFields, no_args_is_help=True)(run_care.change)
for _command in (
    run_care.delete,
    run_care.exclude,
    run_care.include,
    run_selections.selections,
    run_selections.renew,
    run_selections.release,
    run_selections.history,
    run_export.export,
    run_archive.archive,
):
    app.command(no_args_is_help=True)(_command)


@app.command(cls=CommandWithFields, no_args_is_help=True)
def create(
    run: RunName,
    pool: Annotated[str | None, typer.Option(callback=checked_name)] = None,
    fork: Annotated[
        str | None,
        typer.Option(
            metavar="RUN[@STEP]",
            help="Begin with the evidence and the config of this run, up to its step STEP; the options below are "
            "what is to be otherwise.",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option()] = None,
    policy: Annotated[str | None, typer.Option()] = None,
    target: Annotated[float | None, typer.Option()] = None,
    temperature: Annotated[float | None, typer.Option()] = None,
    power: Annotated[float | None, typer.Option()] = None,
    exploration: Annotated[float | None, typer.Option()] = None,
    posterior: Annotated[str | None, typer.Option()] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="For rasch: a reference that it reads; without it all that the pool has. Repeatable.",
        ),
    ] = None,
    forgetting: Annotated[float | None, typer.Option()] = None,
    implicit_weight: Annotated[float | None, typer.Option()] = None,
    rollouts: Annotated[int | None, typer.Option()] = None,
    weak: Annotated[str | None, typer.Option(metavar="NAME")] = None,
    strong: Annotated[str | None, typer.Option(metavar="NAME")] = None,
    rewards: Rewards = None,
    pass_at: PassAt = None,
    commit_outcomes: CommitOutcomes = None,
    lease_seconds: Annotated[float | None, typer.Option()] = None,
    share_leased: Annotated[bool, typer.Option("--share-leased")] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            readable=True,
            help="Instead of the options above: a JSON file with the body of PUT /runs/{run}.",
        ),
    ] = None,
    url: Url = "",
    token: Token = None,
) -> None:
    """Make a run over a pool; a run that is there with the same config is left as it is.

    Example:

        bots run create my-run --pool math --posterior rasch
        bots run create other --pool math --weak weak --strong strong
        bots run create again --fork my-run@300 --target 0.4
    """
    if (weak is None) != (strong is None):
        raise typer.BadParameter("give both or neither", param_hint="--weak, --strong")
    body = given(
        {
            "pool": pool,
            "seed": seed,
            "posterior": part(
                type=posterior,
                references=reference or None,
                forgetting=forgetting,
                implicit_weight=implicit_weight,
                rollouts=rollouts,
            ),
            "implicit": None if weak is None else {"type": "interpolation", "weak": weak, "strong": strong},
            "policy": part(
                type=policy, target=target, temperature=temperature, power=power, exploration=exploration
            ),
            "rewards": rewards_of(rewards, pass_at),
            "commit": None if commit_outcomes is None else {"outcomes": commit_outcomes},
            "lease_seconds": lease_seconds,
            "share_leased": share_leased or None,
        }
    )
    if config is not None:
        if body or fork:
            named = ", ".join([*body, *(["fork"] if fork else [])])
            raise typer.BadParameter(f"it comes alone; {named} belongs into the file", param_hint="--config")
        body = _body(config)
    elif fork is None and pool is None:
        raise typer.BadParameter("name the pool to draw from", param_hint="--pool")
    parent, step = _parent(fork) if fork else ("", None)
    with connected(url, token) as client:
        try:
            if parent:
                if "implicit" in body:  # it is the posterior's in a config that the service answers
                    implicit = body.pop("implicit")
                    body["posterior"] = {**body.get("posterior", {}), "implicit": implicit}
                body = changed(client.run_status(parent).config, body)
                status = client.fork_run(run, parent, step=step, **body)
            else:
                status = client.create_run(run, **(body if config else with_types(body)))
        except ValueError as error:
            raise Failure(f"{config or 'the options'}: {error}") from error
    typer.echo(f"run {run!r}: {status.tasks:,} tasks of pool {status.config['pool']!r}, step {status.step:,}")


@app.command("status", no_args_is_help=True, hidden=True)
@app.command(no_args_is_help=True)
def show(
    run: RunName,
    markdown: Annotated[bool, typer.Option("--markdown", help="As Markdown, for notes and agents.")] = False,
    url: Url = "",
    token: Token = None,
) -> None:
    """Show a run's config, step, selections, capability and effective task ratio.

    Example:

        bots run show my-run
        bots run show my-run --markdown
    """
    from rich.console import Console

    from bots.run_view import config_view, status_markdown, status_view

    with connected(url, token) as client:
        status = client.run_status(run)
    if markdown:
        typer.echo(status_markdown(status))
        return
    console = Console()
    console.print(config_view(status))
    console.print(status_view(status))


@app.command(no_args_is_help=True)
def watch(
    run: RunName,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 2.0,
    url: Url = "",
    token: Token = None,
) -> None:
    """Watch a run until Ctrl-C: where it stands, its course, open leases, hardest and easiest tasks.

    Example:

        bots run watch my-run --interval 5
    """
    from rich.console import Group
    from rich.live import Live

    from bots.run_course import course_view
    from bots.run_view import status_view
    from trainer_client import SelectorUnavailable

    with connected(url, token, max_retries=0) as client:
        status, first, started = client.run_status(run), None, monotonic()
        course = course_view(client, run, None)
        with Live(Group(status_view(status), course), auto_refresh=False) as live:
            try:
                while True:
                    time.sleep(interval)
                    before = status
                    try:
                        status, note = client.run_status(run), None
                        if status != before:
                            first = first or before
                            minutes = (monotonic() - started) / 60
                            course = course_view(client, run, (status.step - first.step) / minutes)
                    except SelectorUnavailable as error:
                        note = str(error)
                    live.update(Group(status_view(status, note), course), refresh=True)
            except KeyboardInterrupt:
                pass


def _parent(fork: str) -> tuple[str, int | None]:
    """The run to begin with, and how many of its steps; None: all."""
    parent, at, step = fork.rpartition("@")
    if at and step.isdecimal():
        return parent, int(step)
    return fork, None


def _body(config: Path) -> dict[str, Any]:
    from trainer_client.client import SelectorClient

    try:
        body = json.loads(config.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise Failure(f"{config}: not readable as JSON: {error}") from error
    pool, *others = [
        name for name in signature(SelectorClient.create_run).parameters if name not in ("self", "run")
    ]
    if not isinstance(body, dict) or pool not in body or not set(body) <= {pool, *others}:
        raise Failure(f"{config}: give an object with {pool} and, where wanted, {', '.join(others)}")
    return body
