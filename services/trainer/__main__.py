"""`python -m services.trainer CONFIG.yaml`, alone or under `accelerate launch -m` or `torchrun -m`."""

from pathlib import Path
from typing import Annotated

import typer

from services.command import run_command


def main(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML; see services/trainer/config.py.")],
) -> None:
    """Train a model by GRPO on the tasks that the selector chooses.

    A training that was killed goes on from its newest checkpoint when it is started again in the same way.
    """
    from services.trainer.training import train_from_file

    train_from_file(config)


if __name__ == "__main__":
    run_command(main, "services.trainer")
