"""The command that trains: `bots train`, or `python -m services.trainer`."""

from pathlib import Path
from typing import Annotated

import typer

from services.command_line.failures import needing_extra


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML; see services/trainer/config.py.")],
    make_run: Annotated[
        bool,
        typer.Option(
            "--make-run",
            help="Only make pool and run, which needs the scope admin; to train, train is enough then.",
        ),
    ] = False,
) -> None:
    """Train a model by GRPO on the tasks that the selector chooses.

    A training that was killed goes on from its newest checkpoint when it is started again in the same way.

    Example:

        bots train training.yaml
    """
    with needing_extra("trainer"):
        from services.trainer.training import make_run_from_file, train_from_file
    (make_run_from_file if make_run else train_from_file)(config)
