"""A run's tasks for frameworks that draw at one place and tell at another: batch by batch, or task by task.

    feed = TaskFeed("my-run", batch_size=32, tasks=ids)
    tasks = feed.batch()                               # or feed.task(), one at a time
    feed.report({tasks[0]: [1.0, 0.0, 1.0, 1.0]})      # in any order, in parts, before any filter of groups
    checkpoint["selector"] = feed.state()              # and after a resume: feed.restore(checkpoint["selector"])

A feed is one training's, in one process. It stands on `steps`, as an adapter does that has its own hand on when a
step begins.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from trainer_client.client import SelectorClient
from trainer_client.fallback import Fallback
from trainer_client.groups import Reward, grouped, not_scored, one_a_task
from trainer_client.models import Selection
from trainer_client.outcomes import id_text
from trainer_client.resuming import OnRollback
from trainer_client.steps import TrainingSteps, logger


class TaskFeed:
    """Batches of a run one after the other, each reported and ended.

    The key of a batch is its number since the training began, so it never comes again but by a resume. A checkpoint
    holds `state()`: the batches drawn, and the place in the last one. What was handed out before it is not handed
    out again; a batch handed out in part goes on where it was. If the run is ahead of the checkpoint, `on_rollback`
    says what is done: see `resuming`.

    The service is first asked by `open`, `batch`, `task` or `report`. Until then a feed can be pickled, as
    frameworks hand their parts to their workers.

    Args:
        run: the run's name; without one, the environment's SELECTOR_RUN.
        batch_size: tasks in a selection.
        tasks: the training's tasks, each once. They are compared with the run's pool, and are what is drawn from
            while the service is away, if there is a folder for the reports.
        look_ahead: how many batches the framework draws before the oldest is reported. When one more is drawn, the
            oldest ends: its tasks that were not reported count as dropped. None: batches end by their reports
            alone, or with their lease.
        on_rollback: "fork", "keep" or "fail".
        unsent_reports: a folder for what could not be sent while the service was away; None: the training ends if
            the service stays away.
        url: the service's address; without one, the environment's SELECTOR_URL, as for `SelectorClient`.
        options: further arguments of `SelectorClient`.

    Raises:
        ValueError: there is no run.
    """

    def __init__(
        self,
        run: str | None = None,
        *,
        batch_size: int,
        tasks: Sequence[str],
        look_ahead: int | None = 0,
        on_rollback: OnRollback = "fork",
        unsent_reports: str | os.PathLike[str] | None = None,
        url: str | None = None,
        **options: Any,
    ):
        run = run or os.environ.get("SELECTOR_RUN")
        if not run:
            raise ValueError("run: none given; name it, or set SELECTOR_RUN")
        self.batch_size = batch_size
        self.figures: dict[str, float] = {}
        """The newest of each figure that `TrainingSteps` measures, for the framework's log."""
        self.connect = partial(SelectorClient, url, **options)
        """Makes a client, given a run, as this feed's own is made; can be pickled if its options can."""
        self.unsent_reports = unsent_reports
        self._asked_for = run
        self._tasks = tasks
        self._look_ahead = look_ahead
        self._on_rollback: OnRollback = on_rollback
        self._open: dict[int, _Batch] = {}
        self._drawn, self._position = 0, 0
        self._hand: Selection | None = None
        self._restored: Mapping[str, Any] | None = None
        self._told = False

    @cached_property
    def _steps(self) -> TrainingSteps:
        """The line to the service."""
        folder = self.unsent_reports
        fallback = Fallback(self._tasks, folder) if folder is not None else None
        client = self.connect(self._asked_for, fallback=fallback)
        steps = TrainingSteps(client, on_rollback=self._on_rollback, measure=self.figures.__setitem__)
        steps.fit(self._tasks)
        return steps

    def open(self) -> None:
        """Find the service, and say what is wrong with run and tasks now rather than at the first batch.

        Raises:
            DataSetMismatch: the run's pool lacks a task.
            SelectorError: the service is away, or refuses.
        """
        steps = self._steps
        if self._restored is not None:
            steps.go_on(self._restored["run"] or {})
            self._take_up(self._restored)
            self._restored = None

    @property
    def logged(self) -> dict[str, float]:
        """`figures` by the names they have in a framework's log, such as "selector/etr"."""
        return {f"selector/{name}": value for name, value in self.figures.items()}

    @property
    def selection(self) -> Selection | None:
        """The batch that was handed out last, perhaps in part."""
        return self._hand

    def batch(self, size: int | None = None) -> list[str]:
        """The tasks of the next batch; what is left of the one before, if it was handed out in part.

        `size` is how many tasks a new one has, if not `batch_size`.
        """
        selection = self._in_hand(size or self.batch_size)
        rest = selection.tasks[self._position :]
        self._position = len(selection.tasks)
        return rest

    def task(self) -> str:
        """The next task. Frameworks that ask for one at a time so share a selection."""
        selection = self._in_hand(self.batch_size)
        self._position += 1
        return selection.tasks[self._position - 1]

    def report(
        self,
        groups: Mapping[str, Iterable[Reward]],
        *,
        dropped: Mapping[str, str] | None = None,
        final: bool = False,
        policy_version: int | None = None,
    ) -> None:
        """Tell what came of tasks: the rewards of their rollouts, before any filter of groups.

        A task counts for the oldest batch that has it and waits for it. Of tasks that no batch waits for, a warning
        is logged.

        Args:
            groups: by task; a reward that is None or NaN was not scored, and a task without any is dropped.
            dropped: tasks that could not be rolled out, and why.
            final: whether that is all of the batches that these tasks are of; their others count as dropped.
            policy_version: the number of the weights that made the rollouts.

        Raises:
            RewardOutOfRange: the run does not take a reward; nothing of its batch was counted.
            SelectorError: as `SelectorClient.report`.
        """
        self.open()
        self._told = True
        tasks = [id_text(task) for task in groups]
        seen = grouped(tasks, groups.values())
        lost = {**not_scored(tasks, seen), **{id_text(task): why for task, why in (dropped or {}).items()}}
        for number, batch in list(self._open.items()):
            told = batch.missing & {*seen, *lost}
            if not told:
                continue
            ends = final or told == batch.missing
            self._steps.report(
                batch.selection,
                {task: seen[task] for task in batch.selection.tasks if task in told and task in seen},
                dropped={task: lost[task] for task in batch.selection.tasks if task in told and task in lost},
                final=ends,
                policy_version=policy_version,
            )
            batch.missing -= told
            if ends:
                del self._open[number]
            seen = {task: rewards for task, rewards in seen.items() if task not in told}
            lost = {task: why for task, why in lost.items() if task not in told}
        if left := [*seen, *lost]:
            logger.warning(
                "run %r: no batch waits for a report of %d tasks, such as %r: they were not counted",
                self._steps.run,
                len(left),
                left[0],
            )

    def report_groups(self, groups: Iterable[tuple[str, list[Reward]]]) -> None:
        """As `report`, where two groups may be of one task: of two batches, for each of which it counts.

        That is so where the run shares leased tasks, or the service was away for one of the two.
        """
        for part in one_a_task(groups):
            self.report(part)

    def expect_reports(self, cure: str) -> None:
        """Say, once, that batches were drawn and nothing was reported, and what is to be done.

        For a framework whose reports need a setting of their own; where some of the batches have ended.
        """
        if len(self._open) > 1 and not self._told:
            self._told = True
            logger.warning(
                "run %r: %d batches were drawn, and nothing was reported of any: %s",
                self._steps.run,
                len(self._open),
                cure,
            )

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds for `restore`, in JSON's types."""
        if self._restored is not None:
            return dict(self._restored)
        return {
            "drawn": self._drawn,
            "position": self._position,
            "of": len(self._hand.tasks) if self._hand else 0,
            "selection": self._hand.selection if self._hand else None,
            "run": self._steps.remembered() if self._is_open else None,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave. Batches drawn before it that wait for a report end at the next call."""
        self._restored = dict(state)

    def end(self) -> None:
        """End the batches that wait for a report: their tasks that were not reported count as dropped."""
        self._end_until(self._drawn)

    def close(self) -> None:
        """End the batches that wait for a report, and the line to the service, if there is one."""
        if not self._is_open:
            return
        self.end()
        self._steps.close()
        del self._steps

    def __getstate__(self) -> dict[str, Any]:
        if self._is_open:
            raise TypeError("a TaskFeed in use holds a connection: pickle it before its first use")
        return self.__dict__

    @property
    def _is_open(self) -> bool:
        return "_steps" in self.__dict__

    def _in_hand(self, size: int) -> Selection:
        """The batch that is being handed out."""
        self.open()
        if self._hand is None or self._position >= len(self._hand.tasks):
            if self._look_ahead is not None:
                self._end_until(self._drawn - self._look_ahead)
            self._hand, self._position = self._select(self._drawn, size), 0
            self._drawn += 1
        return self._hand

    def _select(self, number: int, size: int) -> Selection:
        selection = self._steps.select(number, size)
        self._open[number] = _Batch(selection, set(selection.tasks))
        return selection

    def _take_up(self, state: Mapping[str, Any]) -> None:
        """Go on in the batch that a checkpoint was made in, and end those before it: their rollouts are lost."""
        self._drawn, self._position, self._hand = state["drawn"], 0, None
        self._open.clear()
        in_part = state["position"] < state["of"]
        self._steps.end_before(self._drawn - in_part)
        if in_part:
            self._hand = self._select(self._drawn - 1, state["of"])
            if self._hand.selection == state["selection"]:  # and not another one, as in a fork
                self._position = state["position"]

    def _end_until(self, number: int) -> None:
        """End the batches before this one."""
        for older in [older for older in self._open if older < number]:
            self._steps.report(self._open.pop(older).selection, {}, final=True)


@dataclass
class _Batch:
    selection: Selection
    missing: set[str]
    """Its tasks that were not reported by this process."""
