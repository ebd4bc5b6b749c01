"""Batches whose groups end one by one, perhaps in other processes, and that are reported as one.

gathering = Gathering("my-training", batches=200, run="my-run", batch_size=32, tasks=ids)
batch = gathering.next(0)  # batch.tasks are to be rolled out
batch.tell(task, rewards)  # where a group has ended, in whichever thread or process
"""

import json
import os
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from trainer_client.fallback import Fallback
from trainer_client.feed import TaskFeed
from trainer_client.groups import Reward, grouped, not_scored

_LOCK = threading.Lock()
"""Held by whoever uses a feed: groups may end in threads of their own."""


class GatheredBatch:
    """The next batch of a feed, and what came of its groups so far.

    Reported as one it is one commit, also if the service was away; and of a batch that is begun again after a crash
    the service knows nothing yet. A pickled copy, in a process that rolls out for the training, reports each group
    by itself instead.
    """

    def __init__(self, feed: TaskFeed):
        with _LOCK:
            self.tasks = feed.batch()
        self.logged = feed.logged
        """The feed's figures when it was drawn."""
        assert feed.selection is not None
        self._selection = feed.selection
        self._connect, self._folder = feed.connect, feed.unsent_reports
        self._feed: TaskFeed | None = feed
        self._seen: dict[str, Sequence[Reward]] = {}
        self._failed: dict[str, str] = {}
        self._reported = False

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_feed": None, "tasks": [], "_seen": {}, "_failed": {}}

    def tell(self, task: str, rewards: Iterable[Reward]) -> None:
        """Take the rewards of a group that has ended; those of the last one go to the service with all others'."""
        if self._feed is None:
            self._report_alone(task, rewards)
            return
        self._seen[task] = list(rewards)
        self.report()

    def fail(self, task: str, why: str) -> None:
        """Take note of a group that has ended without rewards. That alone does not report the batch."""
        self._failed.setdefault(task, why)

    def end(self, task: str) -> None:
        """As `fail`, of a group that may have been told, where it is cleaned up: with the error in flight.

        An error with which the training ends, such as an interrupt, fails nothing: the batch is begun again.
        """
        error = sys.exception()
        if error is None or isinstance(error, Exception):
            self.fail(task, type(error).__name__ if error else "not graded")

    def report(self) -> bool:
        """Report the batch if all groups have ended and it was not; whether it is reported now."""
        with _LOCK:
            ended = {**self._failed, **self._seen}
            if self._feed is not None and not self._reported and len(ended) == len(self.tasks):
                lost = {task: why for task, why in self._failed.items() if task not in self._seen}
                self._feed.report(self._seen, dropped=lost)
                self._reported = True
        return self._reported

    def _report_alone(self, task: str, rewards: Iterable[Reward]) -> None:
        seen = grouped([task], [rewards])
        fallback = Fallback(self._selection.tasks, self._folder) if self._folder is not None else None
        with self._connect(self._selection.run, fallback=fallback) as client:
            client.report(self._selection, seen, dropped=not_scored([task], seen))


class Gathering:
    """A run's batches one after the other, for a framework whose checkpoints hold a step and no more.

    What a resume needs besides stands in `selector.jsonl` in its folder; reports wait in `unsent-reports` there. A
    batch of which only groups that failed were missing is reported before the next is drawn.

    Args:
        folder: of the training.
        batches: of a training. The framework numbers them from 0, and may begin again at 0 after the last.
        options: arguments of `TaskFeed`.

    Raises:
        DataSetMismatch: the run's pool lacks a task.
        SelectorError: the service refuses.
    """

    def __init__(self, folder: str | os.PathLike[str], batches: int, **options: Any):
        self._states, self._batches = Path(folder) / "selector.jsonl", batches
        options.setdefault("unsent_reports", Path(folder) / "unsent-reports")
        self._feed = TaskFeed(**options)
        self._feed.open()
        self._next: int | None = None
        self._open: list[GatheredBatch] = []

    def next(self, number: int) -> GatheredBatch:
        """The batch of this number: the one where the training begins, and then one after the other.

        Raises:
            ValueError: another one is next.
        """
        if self._next is None:
            if number or self._states.exists():
                self._feed.restore(self._state_before(number))
        elif number != self._next:
            raise ValueError(
                f"got batch {number}, but {self._next} is next: batches are drawn once, in order"
            )
        self._next = (number + 1) % self._batches
        self._open = [batch for batch in self._open if not batch.report()]
        self._open.append(GatheredBatch(self._feed))
        with self._states.open("a") as lines:
            lines.write(json.dumps({"batch": number, "feed": self._feed.state()}) + "\n")
        return self._open[-1]

    def close(self) -> None:
        """Report what has ended, and close the feed."""
        for batch in self._open:
            batch.report()
        self._feed.close()

    def _state_before(self, number: int) -> dict[str, Any]:
        """The feed when the batch before this one was drawn. Batches after it, whose rollouts are lost, are not."""
        last = (number - 1) % self._batches
        states = [line["feed"] for line in self._whole_lines() if line["batch"] == last]
        if states:
            return states[-1]
        return {"drawn": number, "position": 0, "of": 0, "selection": None, "run": None}

    def _whole_lines(self) -> list[dict[str, Any]]:
        """What stands in `selector.jsonl`, rid of a last line that a kill tore off.

        Raises:
            ValueError: a line is damaged.
        """
        if not self._states.exists():
            return []
        whole, _, torn = self._states.read_bytes().rpartition(b"\n")
        if torn:  # and the next line is to stand alone
            os.truncate(self._states, len(whole) + 1 if whole else 0)
        found: list[dict[str, Any]] = []
        for number, line in enumerate(whole.split(b"\n") if whole else [], 1):
            try:
                found.append(json.loads(line))
            except ValueError as error:
                raise ValueError(
                    f"{self._states}, line {number}: damaged ({error}). Take the line away and start again"
                ) from error
        return found
