"""`bots posteriors`: what a run knows about every task."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from services.command_line.connection import RunName, Token, Url, connected
from services.command_line.failures import Failure

app = typer.Typer(help="Posteriors: what a run knows about every task.", no_args_is_help=True)


@app.command(no_args_is_help=True)
def export(
    run: RunName,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where to write: .parquet, .csv or .jsonl by its suffix.")
    ],
    url: Url = "",
    token: Token = None,
) -> None:
    """Write the posterior of every task of a run to a file.

    The columns are task, mean, sd, the parameters of the run's posterior
    (alpha and beta of a Beta), selected (how often), last_step (of its
    last commit), domain, successes and trials of all time, dropped (how
    often), excluded, and references. All rows are of one state of the run,
    also while it goes on. The file appears when it is complete. It can be
    imported: what this run has learned is then a reference of the next.

    Example:

        bots posteriors export my-run posteriors.parquet
        bots pool import posteriors.parquet --pool next --id task
            --domain domain --reference earlier=mean
    """
    from bots.posterior_files import WRITERS, plain
    from services.command_line.output import moving, progress_bar, replacing
    from services.task_files.parquet_file import ParquetRows

    suffix = file.suffix.lower()
    if suffix != ".parquet" and suffix not in WRITERS:
        suffixes = ", ".join([".parquet", *WRITERS])
        raise Failure(f"FILE: got {file.name!r}; its suffix must be one of {suffixes}")
    with connected(url, token) as client, replacing(file) as unfinished:
        if suffix == ".parquet":
            client.download_posteriors(unfinished, run)
            table = ParquetRows(unfinished)
        else:
            with TemporaryDirectory(prefix="bots-") as folder, progress_bar() as bar:
                downloaded = Path(folder, "posteriors.parquet")
                client.download_posteriors(downloaded, run)
                table = ParquetRows(downloaded)
                rows = ((row.position, plain(row.values)) for row in table)
                WRITERS[suffix](unfinished, table.columns, moving(bar, "posteriors", rows, table.total))
    typer.echo(f"{file}: {table.total:,} tasks")
