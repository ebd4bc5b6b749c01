"""The command that measures a reference: `bots measure`, or `python -m services.reference_eval`."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from services.command_line.failures import INTERRUPTED, Failure, needing_extra


def measure(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="YAML; see services/reference_eval/config.py.")
    ],
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="INDEX/COUNT",
            help="Measure only this part of the tasks; 0/8 to 7/8 are all of 8. Without it the environment's "
            "JOB_COMPLETION_INDEX and JOB_COMPLETIONS say, else all are measured.",
        ),
    ] = None,
) -> None:
    """Measure a model's pass rate on every task of a file.

    Stopped at any moment, it goes on where it was when it is started again. Shards may run at once; the last one to
    end writes the result.

    Example:

        bots measure weak.yaml
    """
    # At once: the first process of a container has no handler but its own.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with needing_extra("trainer"):
        from services.command_line.configuration import load
        from services.reference_eval.config import ReferenceEvaluation
        from services.reference_eval.evaluation import evaluate
        from services.reference_eval.shards import Shard
    part = Shard.from_environment() if shard is None else Shard.parsed(shard)
    evaluation = load(config, ReferenceEvaluation)
    try:
        evaluate(evaluation, part)
    except KeyboardInterrupt:
        raise Failure(
            f"stopped. What is measured so far is kept in {evaluation.progress}; the same command goes on with it",
            INTERRUPTED,
        ) from None
