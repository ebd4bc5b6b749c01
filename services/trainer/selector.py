"""The trainer's side of the selector: its client, its fallback, and making the pool and the run."""

import logging
from collections.abc import Sequence

from selector_api.cli.failures import Failure
from services.task_rows import TaskRow
from trainer_client import ApiError, Fallback, SelectorClient, SelectorUnavailable, Task

from .config import TrainerConfig

logger = logging.getLogger("services.trainer")

UNSENT_REPORTS = "unsent-reports"
PATIENCE_RETRIES = 12
"""Retries while pool and run are made: about a minute, for a service that starts together with the trainer."""


def make_client(config: TrainerConfig, tasks: Sequence[TaskRow]) -> SelectorClient:
    """A client for the training's run; with a fallback it trains on when the service is away."""
    fallback = None
    if config.selector.fallback:
        fallback = Fallback([task.id for task in tasks], config.output / UNSENT_REPORTS, seed=config.seed)
    try:
        return SelectorClient(config.selector.url, run=config.selector.run, fallback=fallback)
    except ValueError as error:
        raise Failure(f"selector.url: {error}") from error


def make_run(config: TrainerConfig, tasks: Sequence[TaskRow]) -> None:
    """Make pool and run as `selector.create` says; both may be there already.

    Raises `Failure` if the service refuses them or is away.
    """
    create = config.selector.create
    if create is None:
        return
    try:
        with SelectorClient(config.selector.url, max_retries=PATIENCE_RETRIES) as client:
            client.create_pool(create.pool)
            receipt = client.add_tasks(
                create.pool,
                (Task(id=task.id, domain=task.domain, references=task.references) for task in tasks),
            )
            logger.info(
                "pool %r: %d tasks inserted, %d there", create.pool, receipt.inserted, receipt.unchanged
            )
            client.create_run(config.selector.run, seed=config.seed, **create.model_dump())
    except ApiError as error:
        raise Failure(f"selector: {error}") from error
    except SelectorUnavailable as error:
        raise Failure(f"selector.url: no service at {config.selector.url}: {error}") from error
