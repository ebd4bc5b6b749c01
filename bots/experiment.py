"""`bots experiment`: the same training under several policies and seeds, and a report of what came out."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from services.command_line.failures import Failure

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
    with _extra():
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
    with _extra():
        from rich.console import Console

        from services.command_line.waiting import going_on

        with going_on("drawing the report", Console(stderr=True)):
            from services.experiment.report import write_report

            report = write_report(file, output)
    Console().print(report.table)
    typer.echo(f"report: {report.path}\npicture: {report.picture}")


@contextmanager
def _extra() -> Iterator[None]:
    """Say which extra is missing if the import inside needs it. Raises `Failure`."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise Failure(
            f"no module {error.name!r}: experiments need the extra 'trainer': pip install 'bots-selector[trainer]'"
        ) from error
