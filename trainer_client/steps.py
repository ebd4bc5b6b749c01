"""What every trainer's adapter needs: a selection before a step's rollouts, a report after them.

    steps = TrainingSteps(selector, is_main=rank == 0, broadcast=broadcast)
    selection = steps.select(step, batch_size=32)           # on every rank
    rewards = roll_out(selection.tasks)
    if rank == 0:
        steps.report(selection, grouped(selection.tasks, rewards))

A framework's adapter (`integrations/`, a file each) says where its step begins and where its rewards are; the rest
is here, and in `feed` for frameworks that draw at one place and tell at another. Nothing here imports a framework.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from trainer_client.client import SelectorClient
from trainer_client.data_sets import fit
from trainer_client.errors import BatchTooLarge, SelectorUnavailable
from trainer_client.figures import Figures
from trainer_client.models import Receipt, Selection
from trainer_client.outcomes import Drops, Outcomes, outcome_list
from trainer_client.ranks import alone, asked_once
from trainer_client.resuming import KeyedSelections, OnRollback, StepKeys, Wanted
from trainer_client.rewards import RewardOutOfRange, RewardScale

logger = logging.getLogger("trainer_client")

T = TypeVar("T")

REMEMBERED = "selector.json"
"""The file in a checkpoint that names the run."""


class TrainingSteps:
    """The selector's part in a training's steps, on each of its ranks.

    Select and report as often in a step as it generates. Only the main rank talks to the service.

    Args:
        selector: a client with a run; used on the main rank alone.
        explain: whether selections are to say why each task was chosen.
        on_rollback: what to do if the run is ahead of the training; see `resuming`.
        is_main: whether this is the rank that asks and reports.
        broadcast: hands the main rank's answer, or None, to every rank; see `asked_once`. Not needed where there is
            one rank.
        measure: gets the figures of the main rank as they arise, for the framework's log; see `Figures`.
    """

    def __init__(
        self,
        selector: SelectorClient,
        *,
        explain: bool = False,
        on_rollback: OnRollback = "fork",
        is_main: bool = True,
        broadcast: Callable[[Any], Any] = alone,
        measure: Callable[[str, float], None] = lambda name, value: None,
    ):
        self.is_main = is_main
        self._selector = selector
        self._selections = KeyedSelections(selector, on_rollback=on_rollback, explain=explain)
        self._broadcast = broadcast
        self._figures = Figures(selector, measure)
        self._keys = StepKeys()
        self._scale: RewardScale | None = None
        self._said_dropped = False

    def fit(self, tasks: Sequence[str]) -> None:
        """Compare the training's tasks with the run's pool, once, at the start. Every rank calls this.

        Tasks of the pool that the training does not have are excluded in the run, with a warning. If the service is
        away and the selector has a fallback, the training begins without this.

        Raises:
            DataSetMismatch: on the main rank: the pool lacks a task.
            SelectorError: on the main rank: the service is away, or refuses.
            RuntimeError: on the others, if the main one failed.
        """

        def ask() -> bool:
            try:
                status = fit(self._selector, tasks)
            except SelectorUnavailable as error:
                if not self._selector.has_fallback:
                    raise
                logger.warning("the data set was not compared with the run's pool: %s", error)
            else:
                self._scale = RewardScale.of(status.config.get("rewards"))
            return True

        self._asked_once(ask, "look at the run's pool")

    @property
    def run(self) -> str | None:
        """The run that the training is in: the one asked for, or a fork of it."""
        return self._selections.run

    def go_on(self, remembered: Mapping[str, Any] | None) -> None:
        """Begin a training, or go on in the run of what `remembered` gave."""
        self._keys = StepKeys()
        self._selections.go_on(remembered)

    def remembered(self) -> dict[str, Any]:
        """What a checkpoint holds for `go_on`, in JSON's types."""
        return self._selections.remembered()

    def begin(self, checkpoint: Path | None = None) -> None:
        """Begin a training, or go on from a checkpoint, in the run that `remember` noted there.

        Raises:
            ValueError: what was noted is damaged.
        """
        if checkpoint is None:
            self.go_on(None)
            return
        file = checkpoint / REMEMBERED
        try:
            remembered: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        except ValueError as error:
            raise ValueError(
                f"{file}: damaged ({error}). Give the training the run that it was in, and take the file away"
            ) from error
        self.go_on(remembered)

    def remember(self, checkpoint: Path) -> None:
        """Note in a checkpoint's folder in which run the training is."""
        file = checkpoint / REMEMBERED
        unfinished = file.with_suffix(".unfinished")  # a kill leaves the file whole, or none
        unfinished.write_text(json.dumps(self.remembered()))
        unfinished.replace(file)

    def select(self, step: int, batch_size: int, *, policy_version: int | None = None) -> Selection:
        """The next selection of this step, on every rank the same. Every rank calls this.

        Args:
            step: see `StepKeys`.
            batch_size: how many tasks.
            policy_version: the number of the weights that will make the rollouts.

        Raises:
            RolledBack: on the main rank; see `resuming`.
            SelectorError: on the main rank, as `SelectorClient.select`.
            RuntimeError: on the others, if the main one failed.
        """
        wanted, key = Wanted(batch_size), self._keys.next(step)
        return self._asked_once(lambda: self._ask(key, wanted, policy_version), "selection")

    def end_before(self, step: int) -> None:
        """After a resume: end the selections of earlier steps that still wait for a report, since none will come.

        What was reported of them counts, and their other tasks can be drawn again. If the service is away and the
        selector has a fallback, they end with their lease. The main rank calls this.
        """
        try:
            for selection in self._selections.open_before(step):
                self.report(selection, {})
        except SelectorUnavailable as error:
            if not self._selector.has_fallback:
                raise
            logger.warning("earlier selections were not ended; their lease ends them: %s", error)

    def close(self) -> None:
        """Send what waits on disk, as far as it gets through, and end the line to the service."""
        self._selector.flush()
        self._selector.close()

    def plan(
        self, step: int, informative: int, *, rollouts: int, at_most: int, policy_version: int | None = None
    ) -> Selection | None:
        """The next selection of this step: tasks that promise so many informative groups. Every rank calls this.

        Args:
            step: see `StepKeys`.
            informative: how many groups.
            rollouts: of each task.
            at_most: how many tasks these may be.
            policy_version: as in `select`.

        Returns:
            The same on every rank. None if the tasks that can be drawn now do not promise so many, or if it takes
            more than `at_most` tasks.

        Raises:
            RolledBack, SelectorError, RuntimeError: as `select`.
        """
        wanted = Wanted(informative=informative, rollouts=rollouts)
        return self._ask_for_few(step, wanted, at_most, policy_version)

    def select_more(
        self, step: int, batch_size: int, *, policy_version: int | None = None
    ) -> Selection | None:
        """As `select`, in a step that has rolled out some: None if fewer tasks can be drawn now."""
        return self._ask_for_few(step, Wanted(batch_size), batch_size, policy_version)

    def _ask_for_few(
        self, step: int, wanted: Wanted, at_most: int, policy_version: int | None
    ) -> Selection | None:
        key = self._keys.next(step)

        def ask() -> tuple[Selection | None]:
            try:
                selection = self._ask(key, wanted, policy_version)
            except BatchTooLarge:
                return (None,)
            if len(selection.tasks) <= at_most:
                return (selection,)
            self._selections.give_back(selection)
            return (None,)

        return self._asked_once(ask, "selection")[0]

    def _ask(self, key: str, wanted: Wanted, policy_version: int | None) -> Selection:
        with self._figures.timed("select_ms"):
            selection = self._selections.select(key, wanted, policy_version)
        self._figures.of_selection(selection)
        return selection

    def _asked_once(self, ask: Callable[[], T], what: str) -> T:
        return asked_once(ask, is_main=self.is_main, broadcast=self._broadcast, what=what)

    def report(
        self,
        selection: Selection,
        outcomes: Outcomes,
        *,
        dropped: Drops | None = None,
        final: bool = True,
        policy_version: int | None = None,
    ) -> Receipt:
        """Tell what came of a selection, before any filter of groups; without more to say, that ends it.

        The main rank calls this.

        Args:
            selection: what `select` gave.
            outcomes: as `grouped` gives them, or as `SelectorClient.report` takes them. May be empty if `final`.
            dropped: tasks that could not be scored, and why, as `not_scored` gives them.
            final: whether nothing more will come of it; False for a part.
            policy_version: the number of the weights that made the rollouts.

        Raises:
            RewardOutOfRange: the run does not take a reward; nothing was counted.
            SelectorError: as `SelectorClient.report`.
            ValueError: likewise.
        """
        if isinstance(outcomes, Mapping):
            outcomes = {task: list(rewards) for task, rewards in outcomes.items()}
            self._check(outcomes)
        seen = outcome_list(outcomes)
        self._say_dropped(selection, dropped or {})
        with self._figures.timed("report_ms"):
            receipt = self._selector.report(
                selection, seen, dropped=dropped, final=final, policy_version=policy_version
            )
        if not receipt.spooled:
            self._selections.commits = receipt.step
        self._figures.of_report(selection.run, seen, self._scale, receipt)
        return receipt

    def _check(self, rewards: Mapping[str, Sequence[float]]) -> None:
        """Refuse rewards that the run does not take, before anything is trained on them."""
        if self._scale is None:
            return
        for task, of_task in rewards.items():
            try:
                self._scale.check_all(of_task)
            except RewardOutOfRange as error:
                raise RewardOutOfRange(f"task {task!r}: {error}") from None

    def _say_dropped(self, selection: Selection, dropped: Drops) -> None:
        """Say, once, that tasks are dropped."""
        if not dropped or self._said_dropped:
            return
        self._said_dropped = True
        task, why = next(iter(dropped.items()))
        logger.warning(
            "run %r: %d of the %d tasks of selection %s are reported as dropped, such as %r (%s): they give no "
            "evidence. This is said once; the run's status counts them",
            selection.run,
            len(dropped),
            len(selection.tasks),
            selection.selection,
            task,
            why,
        )
