"""The command that trains: `bots train`, or `python -m services.trainer`."""

import logging
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from services.command_line.failures import INTERRUPTED, TERMINATED, Failure, needing_extra


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

    A training that was stopped goes on from its newest checkpoint when it is started again in the same way. SIGTERM
    stops it when the step at work is reported and saved, with exit status 143; Ctrl-C at once, with 130.

    Example:

        bots train training.yaml
    """
    with _ending_by_sigterm():
        _train(config, make_run=make_run)


@contextmanager
def _ending_by_sigterm() -> Iterator[None]:
    """Inside, SIGTERM is a `Failure`, until a training heeds it otherwise.

    The first process of a container has no handler but its own, and would not end.
    """

    def end(*_: object) -> None:
        raise Failure("stopped before it began to train", TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _train(config: Path, *, make_run: bool) -> None:
    with needing_extra("trainer"):
        from services.command_line.configuration import load
        from services.trainer.config import TrainerConfig
    asked = load(config, TrainerConfig)
    with needing_extra("trainer"):
        from services.trainer import training  # takes seconds, so a mistake is said before
    _say_what_matters()
    if make_run:
        training.make_pool_and_run(asked)
        return
    try:
        training.train(asked)
    except KeyboardInterrupt:
        raise Failure(_stopped(asked.output, config), INTERRUPTED) from None
    except training.Stopped:
        raise Failure(_stopped(asked.output, config), TERMINATED) from None


def _stopped(output: Path, config: Path) -> str:
    """What to say of a training that was interrupted: what is kept, and how it goes on."""
    from services.trainer.checkpoints import newest_checkpoint, step_of
    from services.trainer.records import read_records

    checkpoint = newest_checkpoint(output)
    done = len(read_records(output).steps)
    again = f"The same command (`bots train {config}`)"
    if checkpoint is None:
        return f"stopped after step {done}, before the first checkpoint. {again} begins anew"
    return f"stopped after step {done}. {again} goes on after step {step_of(checkpoint)}, from {checkpoint}"


def _say_what_matters() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # TRL and transformers 5 still use between themselves the name that transformers deprecates.
    warnings.filterwarnings("ignore", message=".*gradient_checkpointing.*", category=FutureWarning)
