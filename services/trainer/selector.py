"""The trainer's side of the selector: its client, its fallback, and making the pool and the run."""

import logging
from collections.abc import Callable, Sequence

from services.command_line.connection import Unreachable, connected, open_client
from services.command_line.failures import Failure
from services.command_line.output import told_of
from services.task_files.filling import fill
from services.task_files.tasks import TaskRow
from services.trainer.config import CreateRun, TrainerConfig
from trainer_client import Fallback, Forbidden, NotFound, RewardScale, RunStatus, SelectorClient, Task

logger = logging.getLogger("services.trainer")

UNSENT_REPORTS = "unsent-reports"
PATIENCE = (0, 4, 6, 8)
"""Retries of each attempt at the start: about a minute in all, for a service that starts with the trainer."""


def make_client(config: TrainerConfig, tasks: Sequence[TaskRow]) -> SelectorClient:
    """A client for the training's run; with a fallback it trains on when the service is away."""
    fallback = None
    if config.selector.fallback:
        fallback = Fallback([task.id for task in tasks], config.output / UNSENT_REPORTS, seed=config.seed)
    return open_client(config.selector.url, "selector", run=config.selector.run, fallback=fallback)


def make_run(config: TrainerConfig, tasks: Sequence[TaskRow], *, begun: bool) -> None:
    """Make pool and run as `selector.create` says, if it is given. For `begun` and `Failure` see `enter_run`."""
    create = config.selector.create
    if create is None:
        logger.info("selector.create is not given: there is nothing to make")
        return
    _asked(config, begun, lambda client: _make(client, config, tasks, create))


def enter_run(config: TrainerConfig, tasks: Sequence[TaskRow], *, begun: bool) -> RewardScale:
    """Make pool and run as `selector.create` says, or find them; which rewards the run takes.

    `begun` says whether the training has records already; with a fallback it then goes on also while the service is
    away. Raises `Failure` if the service refuses or is away, or the run has another training's past.
    """
    status = _asked(config, begun, lambda client: _made_or_found(client, config, tasks))
    if status is None:
        return RewardScale.of(config.selector.create and config.selector.create.rewards)
    run = config.selector.run
    if status.step and not begun:
        raise Failure(
            f"selector.run: {run!r} has {status.step} commits, but there are no records in {config.output}. A "
            "training from scratch needs a run of its own; one that goes on, the output that it began with"
        )
    return RewardScale.of(status.config.get("rewards"))


def _asked(
    config: TrainerConfig, begun: bool, ask: Callable[[SelectorClient], RunStatus]
) -> RunStatus | None:
    """What the service answers; None if it is away and the training can go on without it."""
    url = config.selector.url
    can_wait = begun and config.selector.fallback
    attempts = (4,) if can_wait else PATIENCE
    for attempt, retries in enumerate(attempts, 1):
        try:
            with connected(url, section="selector", max_retries=retries) as client:
                return ask(client)
        except Unreachable as failure:
            if can_wait:
                logger.warning("the selector is away, training goes on without it: %s", failure)
            elif attempt == len(attempts):
                raise
            else:
                logger.info(
                    "waiting for the selector at %s (start it with: bots serve)", url or "its address"
                )
    return None


def _made_or_found(client: SelectorClient, config: TrainerConfig, tasks: Sequence[TaskRow]) -> RunStatus:
    run, create = config.selector.run, config.selector.create
    if create is None:
        return client.run_status(run)
    try:
        return _make(client, config, tasks, create)
    except Forbidden as forbidden:  # Unless somebody who may has made the run: `--make-run`.
        try:
            return client.run_status(run)
        except NotFound:
            raise forbidden from None


def _make(
    client: SelectorClient, config: TrainerConfig, tasks: Sequence[TaskRow], create: CreateRun
) -> RunStatus:
    of_pool = (Task(id=task.id, domain=task.domain, references=task.references) for task in tasks)
    receipt = fill(client, create.pool, of_pool)
    logger.info(told_of(create.pool, receipt))
    asked = create.model_dump()
    asked["posterior"] = asked["posterior"] or {"type": "bots", "rollouts": config.training.rollouts}
    return client.create_run(config.selector.run, seed=config.seed, **asked)
