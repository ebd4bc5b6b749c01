"""The commands, put together."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bots import doctor, events, experiment, pool, posteriors, replay, run, serve, token, view
from services.command_line.failures import printed_failures
from services.reference_eval.command import measure
from services.trainer.command import train


class Commands(TyperGroup):
    """The root of the commands, and the one place where a `Failure` of any of them is printed."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        with printed_failures():
            return super().invoke(ctx)


app = typer.Typer(
    cls=Commands,
    help="Bayesian online task selection for RL finetuning: the service, its pools, runs and tokens, and training.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(serve.serve)
app.command(no_args_is_help=True)(view.view)
app.command()(doctor.doctor)
app.add_typer(pool.app, name="pool")
app.add_typer(run.app, name="run")
app.add_typer(posteriors.app, name="posteriors")
app.add_typer(events.app, name="events")
app.add_typer(token.app, name="token")
app.command(no_args_is_help=True)(train)
app.command(no_args_is_help=True)(measure)
app.add_typer(experiment.app, name="experiment")
app.command(no_args_is_help=True)(replay.replay)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"bots-selector {version('bots-selector')}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the version of this package and exit.",
        ),
    ] = False,
) -> None:
    """Options of the command itself."""
