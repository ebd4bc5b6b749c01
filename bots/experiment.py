"""`bots experiment`: the same training under several policies and seeds, and a report of what came out."""

from pathlib import Path
from typing import Annotated

import typer

from services.command_line.failures import needing_extra

app = typer.Typer(help="Experiments: policies compared by training, with seeds.", no_args_is_help=True)

File = Annotated[
    Path, typer.Argument(metavar="FILE", help="The experiment, YAML; see services/experiment/config.py.")
]


@app.command(no_args_is_help=True)
def run(file: File) -> None:
    """Train with each policy and seed; what is done already is skipped, the rest goes on where it was.

    Example:

        bots experiment run experiment.yaml
    """
    with needing_extra("trainer"):
        from services.experiment.runner import run_experiment
    run_experiment(file)


@app.command(no_args_is_help=True)
def report(
    file: File,
    output: Annotated[
        Path | None,
        typer.Option(file_okay=False, show_default="the experiment's", help="Folder to write to."),
    ] = None,
) -> None:
    """Write report.md, pictures and figures.json of the trainings that are done, and print the main figures.

    Example:

        bots experiment report experiment.yaml --output docs/results/demo
    """
    with needing_extra("trainer"):
        from rich.console import Console

        from services.command_line.waiting import going_on

        with going_on("drawing the report", Console(stderr=True)):
            from services.experiment.report import write_report

            report = write_report(file, output)
    Console().print(report.table)
    typer.echo(f"report: {report.path}\npicture: {report.picture}")
