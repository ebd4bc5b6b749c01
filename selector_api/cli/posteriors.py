"""`bots posteriors`: what a run knows about every task."""

from pathlib import Path
from typing import Annotated

import typer

from .failures import MISTAKE, Failure
from .service import DEFAULT_URL, RunName, Token, Url, service

app = typer.Typer(help="Posteriors: what a run knows about every task.", no_args_is_help=True)


@app.command(no_args_is_help=True)
def export(
    run: RunName,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where to write: .parquet, .csv or .jsonl by its suffix.")
    ],
    url: Url = DEFAULT_URL,
    token: Token = None,
) -> None:
    """Write the posterior of every task of a run to a file.

    The columns are task, mean, sd, alpha, beta, selected (how often)
    and last_step (of its last commit). The file appears when it is
    complete.

    Example:

        bots posteriors export my-run posteriors.parquet
    """
    from .output import moving, progress_bar, replacing
    from .posterior_files import WRITERS

    write = WRITERS.get(file.suffix.lower())
    if write is None:
        raise Failure(f"FILE: got {file.name!r}; its suffix must be one of {', '.join(WRITERS)}", MISTAKE)
    with service(url, token) as client, progress_bar() as bar, replacing(file) as unfinished:
        total = client.run_status(run).tasks
        rows = moving(bar, "posteriors", enumerate(client.posteriors(run)), total)
        written = write(unfinished, rows)
    typer.echo(f"{file}: {written:,} tasks")
