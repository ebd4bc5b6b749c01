"""A run's tasks for frameworks that draw at one place and tell at another: batch by batch, or task by task.

    feed = TaskFeed("my-run", batch_size=32)
    tasks = feed.batch()                               # or feed.task(), one at a time
    feed.report({tasks[0]: [1.0, 0.0, 1.0, 1.0]})      # in any order, in parts, before any filter of groups

A feed is one training's, in one process. It can be pickled before its first use, as frameworks hand their parts to
their workers: it finds the service when it is first asked.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from trainer_client.client import SelectorClient
from trainer_client.fallback import Fallback
from trainer_client.groups import Reward, grouped, not_scored
from trainer_client.models import Selection
from trainer_client.resuming import OnRollback
from trainer_client.steps import TrainingSteps, logger


class TaskFeed:
    """Batches of a run one after the other, each reported and ended.

    The key of a batch is its number since the training began, so it never comes again but by a resume. What a
    checkpoint must hold is `state()`: the batches drawn, and the place in the last one. After `restore` a batch
    that was handed out whole is not handed out again, also if it was not reported; one that was handed out in part
    goes on where it was. If the run is ahead of the checkpoint, the training goes on in a fork: see `resuming`.

    Args:
        run: the run's name; without one, the environment's SELECTOR_RUN.
        batch_size: tasks in a selection.
        tasks: the training's tasks. They are compared with the pool at the first use, and are what is drawn from
            while the service is away, if there is a folder for the reports.
        look_ahead: how many batches the framework draws before the one in hand is reported. Each one older ends
            when a batch is drawn: tasks of it that were not reported count as dropped.
        on_rollback: see `resuming`.
        unsent_reports: a folder for what could not be sent while the service was away; None: the training waits for
            the service, and ends if it stays away.
        url: the service's address; without one, as `SelectorClient` finds it.
        options: further arguments of `SelectorClient`.

    Raises:
        ValueError: there is no run.
    """

    def __init__(
        self,
        run: str | None = None,
        *,
        batch_size: int,
        tasks: Sequence[str] | None = None,
        look_ahead: int = 0,
        on_rollback: OnRollback = "fork",
        unsent_reports: str | os.PathLike[str] | None = None,
        url: str | None = None,
        **options: Any,
    ):
        run = run or os.environ.get("SELECTOR_RUN")
        if not run:
            raise ValueError("run: none given; name it, or set SELECTOR_RUN")
        self.run, self.batch_size, self.look_ahead = run, batch_size, look_ahead
        self.figures: dict[str, float] = {}
        """The newest of each figure that `TrainingSteps` measures, for the framework's log."""
        self._on_rollback: OnRollback = on_rollback
        self._tasks, self._folder, self._url = tasks, unsent_reports, url
        self._options = options
        self._open: dict[int, _Batch] = {}
        self._drawn, self._position = 0, 0
        self._hand: list[str] = []
        self._remembered: Mapping[str, str | None] | None = None
        self._resumed = False

    @cached_property
    def steps(self) -> TrainingSteps:
        """The line to the service, opened when it is first needed."""
        fallback = None
        if self._folder is not None and self._tasks is not None:
            fallback = Fallback(self._tasks, Path(self._folder))
        client = SelectorClient(self._url, self.run, fallback=fallback, **self._options)
        steps = TrainingSteps(client, on_rollback=self._on_rollback, measure=self.figures.__setitem__)
        if self._tasks is not None:
            steps.fit(self._tasks)
        steps.go_on(self._remembered)
        return steps

    def batch(self) -> list[str]:
        """The tasks of the next batch; what is left of the one before, if it was handed out in part."""
        self._take_up()
        if not self._hand[self._position :]:
            self._draw()
        rest = self._hand[self._position :]
        self._position = len(self._hand)
        return rest

    def task(self) -> str:
        """The next task; frameworks that ask for one at a time share a selection."""
        self._take_up()
        if not self._hand[self._position :]:
            self._draw()
        self._position += 1
        return self._hand[self._position - 1]

    def report(
        self, groups: Mapping[str, Iterable[Reward]], dropped: Mapping[str, str] | None = None
    ) -> None:
        """Tell what came of tasks: the rewards of their rollouts, before any filter of groups.

        Args:
            groups: by task; a reward that is None or NaN was not scored, and a task without any is dropped.
            dropped: tasks that could not be rolled out, and why.

        Raises:
            RewardOutOfRange: the run does not take a reward; nothing of its batch was counted.
            SelectorError: as `SelectorClient.report`.
        """
        seen = grouped(groups, groups.values())
        lost = {**not_scored(groups, seen), **(dropped or {})}
        self._take_up()
        for number, batch in list(self._open.items()):
            mine = batch.missing & (seen.keys() | lost.keys())
            if not mine:
                continue
            batch.missing -= mine
            self.steps.report(
                batch.selection,
                {task: seen.pop(task) for task in batch.selection.tasks if task in mine and task in seen},
                dropped={
                    task: lost.pop(task) for task in batch.selection.tasks if task in mine and task in lost
                },
                final=not batch.missing,
            )
            if not batch.missing:
                del self._open[number]
        if left := [*seen, *lost]:
            logger.warning(
                "run %r: %d tasks, such as %r, are in no batch that waits for a report: they were not counted",
                self.run,
                len(left),
                left[0],
            )

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds, in JSON's types."""
        return {"drawn": self._drawn, "position": self._position, "run": self.steps.remembered()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.__dict__.pop("steps", None)
        self._open, self._hand, self._resumed = {}, [], True
        self._drawn, self._position, self._remembered = state["drawn"], state["position"], state["run"]

    def _take_up(self) -> None:
        """After a resume: take up the batches that were drawn before it and may wait for a report."""
        if not self._resumed:
            return
        self._resumed = False
        last = self._drawn - 1
        in_part = last >= 0 and self._position < self.batch_size
        for number in range(max(0, last - self.look_ahead), last if in_part else self._drawn):
            if (selection := self.steps.still_open(number, self.batch_size)) is not None:
                self._keep(number, selection)
        if in_part:
            before = self.steps.run
            selection = self.steps.select(last, self.batch_size)
            self._keep(last, selection)
            self._hand = list(selection.tasks)
            if self.steps.run != before:
                self._position = 0
        else:
            self._hand, self._position = [], 0

    def _draw(self) -> None:
        for number in [number for number in self._open if number < self._drawn - self.look_ahead]:
            self.steps.report(self._open.pop(number).selection, {}, final=True)
        selection = self.steps.select(self._drawn, self.batch_size)
        self._keep(self._drawn, selection)
        self._drawn += 1
        self._hand, self._position = list(selection.tasks), 0

    def _keep(self, number: int, selection: Selection) -> None:
        self._open[number] = _Batch(selection, set(selection.tasks))


@dataclass
class _Batch:
    selection: Selection
    missing: set[str]
    """Its tasks that were not reported by this process."""
