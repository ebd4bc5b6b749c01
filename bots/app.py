"""The commands, put together."""

import typer

from bots import events, experiment, pool, posteriors, run, serve, token
from bots.failures import Commands

app = typer.Typer(
    cls=Commands,
    help="Bayesian online task selection for RL finetuning: the service and its pools, runs and tokens.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(serve.serve)
app.add_typer(pool.app, name="pool")
app.add_typer(run.app, name="run")
app.add_typer(posteriors.app, name="posteriors")
app.add_typer(events.app, name="events")
app.add_typer(token.app, name="token")
app.add_typer(experiment.app, name="experiment")
