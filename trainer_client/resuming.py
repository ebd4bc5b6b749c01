"""Selections by key: what a training gets that goes on from a checkpoint, and what it is told.

The same key again gets the same tasks. So a training that goes back to a checkpoint of step k finds under the keys
of step k the selections that it made before, and what it reports of them again would not count. `on_rollback` says
what it does then:

* "fork": it goes on in a fork of its run that has what was known before step k. The fork's name is that of the run
  with the first free number from 2 on: `my-run-2`. The run that was stays as it is.
* "keep": it goes on in the same run; what it does again does not count.
* "fail": it ends with `RolledBack`.

Where the token may not fork, or the service is away and there is a fallback, it goes on as with "keep", with a
warning.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal, get_args

from trainer_client.client import SelectorClient
from trainer_client.errors import Conflict, Forbidden, NotFound, SelectorUnavailable
from trainer_client.models import Selection

logger = logging.getLogger("trainer_client")

OnRollback = Literal["fork", "keep", "fail"]


@dataclass(frozen=True)
class Wanted:
    """What a selection is asked for: so many tasks, or so many as promise so many informative groups."""

    batch_size: int | None = None
    informative: float | None = None
    rollouts: int | None = None
    """Of each task."""


class RolledBack(RuntimeError):
    """The run holds outcomes of steps that the training is about to do again."""


STEP_OF_KEY = re.compile(r"step-(\d+)\.")


class StepKeys:
    """The keys of a training's selections: a job that dies and resumes makes the same ones again.

    A key names a step and which of the step's selections it is. The same key again gets the same tasks. So a
    step's number must be one that a checkpoint brings back, and that never comes again but by a resume: batches
    drawn since the training began, not the position within an epoch.
    """

    def __init__(self) -> None:
        self._step, self._selections = -1, 0

    def next(self, step: int) -> str:
        """The key of the next selection in this step: "step-7.0", then "step-7.1"."""
        self._selections = self._selections + 1 if step == self._step else 0
        self._step = step
        return f"step-{step}.{self._selections}"


class KeyedSelections:
    """Asks for selections by key.

    Args:
        selector: a client with a run; after a fork it has another.
        on_rollback: see above.
        explain: whether selections are to say why each task was chosen.

    Raises:
        ValueError: `on_rollback` is none of the words there are.
    """

    def __init__(
        self,
        selector: SelectorClient,
        *,
        on_rollback: OnRollback,
        explain: bool,
    ):
        if on_rollback not in get_args(OnRollback):
            raise ValueError(
                f"on_rollback: got {on_rollback!r}; it is one of {', '.join(get_args(OnRollback))}"
            )
        self._selector = selector
        self._on_rollback = on_rollback
        self._explain = explain
        self._asked_for = selector.run
        self._first = True
        self._told = False
        self.commits = 0
        """Of the run, as far as the training has heard."""
        self._commits_before = 0

    @property
    def run(self) -> str | None:
        """The run that the training is in: the one asked for, or a fork of it."""
        return self._selector.run

    def go_on(self, remembered: Mapping[str, Any] | None) -> None:
        """Begin, or go on in the run that a checkpoint of this training remembers; {} if it remembers none."""
        self._first = True
        self.commits = self._commits_before = 0
        self._selector.resumes = remembered is not None
        if self._asked_for is None:
            return
        self._selector.run = self._asked_for
        if not remembered or remembered["asked_for"] != self._asked_for:
            return
        self.commits = self._commits_before = remembered.get("commits", 0)
        run = remembered["run"]
        if run is not None and run != self._asked_for:
            self._selector.run = run
            logger.info("the training goes on in run %r, as its checkpoint says", run)

    def remembered(self) -> dict[str, Any]:
        """What a checkpoint holds for `go_on`."""
        return {"asked_for": self._asked_for, "run": self._selector.run, "commits": self.commits}

    def open_before(self, step: int) -> Iterator[Selection]:
        """The selections of earlier steps that wait for a report."""
        run = self._selector.run
        assert run is not None
        for row in list(self._selector.selections("open")):
            number = STEP_OF_KEY.match(row.key or "")
            if number and int(number[1]) < step:
                yield Selection(
                    selection=row.selection, run=run, step=row.step or 0, tasks=row.tasks, replayed=True
                )

    def select(self, key: str, wanted: Wanted, policy_version: int | None) -> Selection:
        """The selection of this key; of another one where that is released, or was asked for otherwise.

        Raises:
            SelectorError: as `SelectorClient.select`.
            RolledBack: see above.
        """
        first, self._first = self._first, False
        for name in _names(key):
            try:
                selection, fits = self._ask(name, wanted, policy_version)
            except Conflict as error:
                # So long ago that the run has forgotten it; only a checkpoint knows what was committed before.
                if error.code != "past-horizon" or not first or not self._commits_before:
                    raise
                if not self._forked(f"what key {name!r} stood for", self._commits_before):
                    raise
                return self._ask(name, wanted, policy_version)[0]
            if selection.fallback or not selection.replayed:
                return selection
            # Who looks ahead was handed the selection before all commits that the checkpoint knows of.
            step = max(selection.step, self._commits_before)
            if (
                selection.status == "committed"
                and first
                and self._forked(f"selection {selection.selection}", step)
            ):
                return self._ask(name, wanted, policy_version)[0]
            first = False
            self._tell(name, selection)
            if fits and selection.status != "released":
                return selection
            if selection.status == "open":
                self.give_back(selection)
        raise AssertionError("unreachable")

    def give_back(self, selection: Selection) -> None:
        """Let others draw its tasks; where the service is away, they can when its lease ends.

        Raises:
            SelectorError: as `SelectorClient.release`; not `SelectorUnavailable` where there is a fallback.
        """
        try:
            self._selector.release(selection)
        except SelectorUnavailable as error:
            if not self._selector.has_fallback:
                raise
            logger.warning(
                "run %r: selection %s is not given back before its lease ends: %s",
                selection.run,
                selection.selection,
                error,
            )

    def _ask(self, key: str, wanted: Wanted, policy_version: int | None) -> tuple[Selection, bool]:
        """What the key stands for, and whether that is what is wanted."""
        try:
            selection = self._selector.select(
                wanted.batch_size,
                informative=wanted.informative,
                rollouts=wanted.rollouts,
                key=key,
                explain=self._explain,
                policy_version=policy_version,
            )
        except Conflict as error:
            if error.code == "not-explained":  # it was made before the training wished to be told
                return self._selector.select(
                    wanted.batch_size, informative=wanted.informative, rollouts=wanted.rollouts, key=key
                ), True
            size = error.extensions.get("batch_size")
            if error.code != "key-conflict" or not isinstance(size, int):
                raise
        else:
            return selection, True
        return self._selector.select(size, key=key), False

    def _forked(self, what: str, step: int) -> bool:
        """Whether the training now goes on in a fork, with the commits up to `step`: the run is ahead of it."""
        run = self._selector.run
        ahead = (
            f"run {run!r} holds the outcomes of {what} already, which this training is about to do again: it goes "
            "on from before it, or it is another training"
        )
        if self._on_rollback == "fail":
            raise RolledBack(f"{ahead}. Fork the run, give another one, or set on_rollback to fork or keep")
        if self._on_rollback == "keep":
            return False
        try:
            new = self._fork(step)
        except (Forbidden, SelectorUnavailable) as error:
            if isinstance(error, SelectorUnavailable) and not self._selector.has_fallback:
                raise
            logger.warning(
                "%s. It cannot fork the run, so what it does again does not count: %s", ahead, error
            )
            self._told = True
            return False
        self._selector.run = new
        logger.warning(
            "%s. It goes on in run %r, a fork with the first %d commits; %r stays as it is",
            ahead,
            new,
            step,
            run,
        )
        return True

    def _fork(self, step: int) -> str:
        """Make a fork of the run's first `step` commits; its name."""
        for number in count(2):
            new = f"{self._asked_for}-{number}"
            try:
                self._selector.run_status(new)
            except NotFound:
                try:
                    self._selector.fork_run(new, step=step)
                except Conflict as error:
                    if error.code != "run-conflict":
                        raise
                else:
                    return new
        raise AssertionError("unreachable")

    def _tell(self, key: str, selection: Selection) -> None:
        """Say, once, that a selection was handed out before: a warning, unless the training goes on."""
        if self._told:
            return
        self._told = True
        logger.log(
            logging.INFO if self._selector.resumes else logging.WARNING,
            "run %r: selection %s of key %r was handed out before and is %s. If this training does not go on from "
            "a checkpoint, another trainer is at work on this run: one run per training, or outcomes of the second "
            "do not count",
            selection.run,
            selection.selection,
            key,
            selection.status or "there already",
        )


def _names(key: str) -> Iterator[str]:
    """The key, and what stands for it where it cannot be used any more."""
    yield key
    for number in count(1):
        yield f"{key}~{number}"
