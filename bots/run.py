"""`bots run`: training runs over a pool."""

import json
import time
from inspect import signature
from pathlib import Path
from typing import Annotated, Any

import typer

from bots.run_fields import CommandWithFields
from services.command_line.connection import DEFAULT_URL, RunName, Token, Url, checked_name, connected
from services.command_line.failures import Failure

app = typer.Typer(help="Runs: training runs over a pool.", no_args_is_help=True)


@app.command(cls=CommandWithFields, no_args_is_help=True)
def create(
    run: RunName,
    pool: Annotated[str | None, typer.Option(callback=checked_name)] = None,
    seed: Annotated[int | None, typer.Option()] = None,
    policy: Annotated[str | None, typer.Option()] = None,
    target: Annotated[float | None, typer.Option()] = None,
    temperature: Annotated[float | None, typer.Option()] = None,
    exploration: Annotated[float | None, typer.Option()] = None,
    forgetting: Annotated[float | None, typer.Option()] = None,
    implicit_weight: Annotated[float | None, typer.Option()] = None,
    rollouts: Annotated[int | None, typer.Option()] = None,
    weak: Annotated[str | None, typer.Option(metavar="NAME")] = None,
    strong: Annotated[str | None, typer.Option(metavar="NAME")] = None,
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
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Make a run over a pool; a run that is there with the same config is left as it is.

    Example:

        bots run create my-run --pool math --weak weak --strong strong
    """
    if (weak is None) != (strong is None):
        raise typer.BadParameter("give both or neither", param_hint="--weak, --strong")
    posterior = {"forgetting": forgetting, "implicit_weight": implicit_weight, "rollouts": rollouts}
    choice = {"type": policy, "target": target, "temperature": temperature, "exploration": exploration}
    body = _given(
        {
            "pool": pool,
            "seed": seed,
            "posterior": _of_type("bots", posterior),
            "implicit": _of_type("interpolation", {"weak": weak, "strong": strong}),
            "policy": _of_type("thompson", choice),
            "lease_seconds": lease_seconds,
            "share_leased": share_leased or None,
        }
    )
    if config is not None:
        if body:
            named = ", ".join(body)
            raise typer.BadParameter(f"it comes alone; {named} belongs into the file", param_hint="--config")
        body = _body(config)
    elif pool is None:
        raise typer.BadParameter("name the pool to draw from", param_hint="--pool")
    with connected(url, token) as client:
        try:
            status = client.create_run(run, **body)
        except ValueError as error:
            raise Failure(f"{config or 'the options'}: {error}") from error
    typer.echo(f"run {run!r}: {status.tasks:,} tasks of pool {status.config['pool']!r}, step {status.step:,}")


@app.command(no_args_is_help=True)
def show(run: RunName, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Show a run's config, step, selections, capability and effective task ratio.

    Example:

        bots run show my-run
    """
    from rich.console import Console

    from bots.run_view import config_view, status_view

    with connected(url, token) as client:
        status = client.run_status(run)
    console = Console()
    console.print(config_view(status))
    console.print(status_view(status))


@app.command(no_args_is_help=True)
def watch(
    run: RunName,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 2.0,
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Watch a run's step, selections, capability and effective task ratio until Ctrl-C.

    Example:

        bots run watch my-run --interval 5
    """
    from rich.live import Live

    from bots.run_view import status_view
    from trainer_client import SelectorUnavailable

    with connected(url, token, max_retries=0) as client:
        status = client.run_status(run)
        with Live(status_view(status), auto_refresh=False) as live:
            try:
                while True:
                    time.sleep(interval)
                    try:
                        status, note = client.run_status(run), None
                    except SelectorUnavailable as error:
                        note = str(error)
                    live.update(status_view(status, note), refresh=True)
            except KeyboardInterrupt:
                pass


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _of_type(default: str, values: dict[str, Any]) -> dict[str, Any] | None:
    """The given members with their `type`; None if there are none, so that the service's default holds."""
    given = _given(values)
    return {"type": default} | given if given else None


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
