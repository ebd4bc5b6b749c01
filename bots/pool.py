"""`bots pool`: the tasks that runs draw from."""

import typer

from bots import pool_care
from bots.pool_import import import_tasks

app = typer.Typer(help="Pools: the tasks that runs draw from.", no_args_is_help=True)
app.command("list")(pool_care.list_pools)
for _command in (pool_care.show, pool_care.delete, pool_care.retire, pool_care.restore):
    app.command(no_args_is_help=True)(_command)
app.command(name="import", no_args_is_help=True)(import_tasks)
