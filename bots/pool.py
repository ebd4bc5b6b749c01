"""`bots pool`: the tasks that runs draw from."""

import typer

from bots.pool_import import import_tasks

app = typer.Typer(help="Pools: the tasks that runs draw from.", no_args_is_help=True)
app.command(name="import", no_args_is_help=True)(import_tasks)
