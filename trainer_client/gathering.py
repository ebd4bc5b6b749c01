"""Batches whose groups end one by one, perhaps in other processes, and that are reported as one."""

import threading
from collections.abc import Sequence
from typing import Any

from trainer_client.client import SelectorClient
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
        assert feed.selection is not None
        self._selection = feed.selection
        self._url, self._folder = feed.url, feed.unsent_reports
        self._feed: TaskFeed | None = feed
        self._seen: dict[str, Sequence[Reward]] = {}
        self._failed: dict[str, str] = {}
        self._reported = False

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_feed": None, "tasks": [], "_seen": {}, "_failed": {}}

    def tell(self, task: str, rewards: Sequence[Reward]) -> None:
        """Take the rewards of a group that has ended; those of the last one go to the service with all others'."""
        if self._feed is None:
            self._report_alone(task, rewards)
            return
        self._seen[task] = rewards
        self.report()

    def fail(self, task: str, why: str) -> None:
        """Take note of a group that has ended without rewards. That alone does not report the batch."""
        self._failed.setdefault(task, why)

    def report(self) -> bool:
        """Report the batch if all groups have ended and it was not; whether it is reported now."""
        with _LOCK:
            ended = {**self._failed, **self._seen}
            if self._feed is not None and not self._reported and len(ended) == len(self.tasks):
                lost = {task: why for task, why in self._failed.items() if task not in self._seen}
                self._feed.report(self._seen, dropped=lost)
                self._reported = True
        return self._reported

    def _report_alone(self, task: str, rewards: Sequence[Reward]) -> None:
        seen = grouped([task], [rewards])
        fallback = Fallback(self._selection.tasks, self._folder) if self._folder is not None else None
        with SelectorClient(self._url, self._selection.run, fallback=fallback) as client:
            client.report(self._selection, seen, dropped=not_scored([task], seen))
