"""`bots pool`: the tasks that runs draw from."""

from pathlib import Path
from typing import Annotated

import typer

from bots import pool_care
from services.command_line.connection import Token, Url, checked_name, connected
from services.command_line.failures import INTERRUPTED, Failure

app = typer.Typer(help="Pools: the tasks that runs draw from.", no_args_is_help=True)
app.command("list")(pool_care.list_pools)
for _command in (pool_care.show, pool_care.delete, pool_care.retire, pool_care.restore):
    app.command(no_args_is_help=True)(_command)


@app.command(name="import", no_args_is_help=True)
def import_tasks(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            readable=True,
            help="A .parquet, .jsonl or .ndjson file.",
        ),
    ],
    pool: Annotated[
        str, typer.Option("--pool", callback=checked_name, help="The pool; it is made if it is not there.")
    ],
    id_column: Annotated[
        str | None,
        typer.Option("--id", metavar="COLUMN", show_default="id", help="Column of the tasks' ids."),
    ] = None,
    id_from_hash: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN[,COLUMN…]",
            help="Instead of --id: make the id from these columns' content, the first 32 hex digits of the "
            "SHA-256 of its JSON with sorted keys, without spaces, in ASCII (several columns: of the list of "
            "their values). Rows of the same content are one task.",
        ),
    ] = None,
    domain: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of the tasks' domains.")
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=COLUMN",
            help="A reference and the column of its pass rates, from 0 to 1; null: not measured. Repeatable.",
        ),
    ] = None,
    url: Url = "",
    token: Token = None,
) -> None:
    """Import the tasks of a Parquet or JSONL file into a pool.

    A dotted column reaches into a struct; other columns are not read.
    The file is checked as a whole before anything is sent. Importing
    it again changes nothing, so an interrupted import is run again.

    Example:

        bots pool import math.parquet --pool math --id extra_info.index
            --domain data_source --reference weak=qwen2.5_7b_pass_rate
            --reference strong=qwen3_30b_pass_rate
    """
    if id_column and id_from_hash:
        raise typer.BadParameter("give either --id or --id-from-hash", param_hint="--id-from-hash")

    from services.command_line.output import moving, progress_bar
    from services.task_files.pool_tasks import TaskColumns, TaskFile, count

    columns = TaskColumns(
        id=id_column or "id",
        hashed=_columns(id_from_hash) if id_from_hash else (),
        domain=domain,
        references=_references(reference or []),
    )
    try:
        tasks = TaskFile(file, columns)
        with progress_bar() as bar:
            census = count(moving(bar, "checking", tasks, tasks.total))
            if not census.rows:
                raise Failure(f"{file}: there is no row in it")
            with connected(url, token) as client:
                client.create_pool(pool)
                receipt = client.add_tasks(pool, moving(bar, "sending", tasks, tasks.total))
    except KeyboardInterrupt:
        raise Failure(
            "interrupted. Run the same command again: tasks that were sent are left as they are", INTERRUPTED
        ) from None
    if census.repeated:
        typer.echo(f"{census.repeated:,} of {census.rows:,} rows repeat an earlier id: no tasks of their own")
    typer.echo(
        f"pool {pool!r}: {receipt.inserted:,} inserted, {receipt.unchanged:,} unchanged, "
        f"{receipt.tasks:,} tasks in all"
    )


def _columns(option: str) -> list[str]:
    columns = option.split(",")
    if not all(columns):
        raise typer.BadParameter(f"got {option!r}; give COLUMN,COLUMN…", param_hint="--id-from-hash")
    return columns


def _references(options: list[str]) -> dict[str, str]:
    references: dict[str, str] = {}
    for option in options:
        name, _, column = option.partition("=")
        if not name or not column:
            raise typer.BadParameter(f"got {option!r}; give NAME=COLUMN", param_hint="--reference")
        if name in references:
            raise typer.BadParameter(f"{name!r} is given twice", param_hint="--reference")
        references[name] = column
    return references
