"""In the place of a framework's data loader: the rows of selected tasks, epoch by epoch, none drawn ahead."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trainer_client.feed import TaskFeed


class SelectedLoader:
    """Batches of a data set's rows as a feed draws their tasks; an epoch has as many as it would have without.

    A checkpoint holds `state_dict()`; after a resume an iteration gives what is left of the epoch.

    Args:
        data_set: its rows by number, and `collate_fn`, which makes a batch of some.
        tasks: of the rows.
        feed: with these tasks.
        batches: in an epoch.
        one_by_one: whether a batch is one task; otherwise it is one of the feed's.
        ends_epochs: of a checkpoint made after an epoch's last batch: whether the framework looks for the end of
            that epoch when it resumes, rather than for the next one.
    """

    def __init__(
        self,
        data_set: Any,
        tasks: Sequence[str],
        feed: TaskFeed,
        batches: int,
        *,
        one_by_one: bool = False,
        ends_epochs: bool = False,
    ):
        self.dataset = data_set
        self._rows = {task: row for row, task in enumerate(tasks)}
        self._feed, self._batches = feed, batches
        self._one_by_one, self._ends_epochs = one_by_one, ends_epochs
        self._given = 0
        """Batches of this epoch."""

    def __len__(self) -> int:
        return self._batches

    def __iter__(self) -> Iterator[Any]:
        while self._given < self._batches:
            tasks = [self._feed.task()] if self._one_by_one else self._feed.batch()
            self._given += 1
            yield self.dataset.collate_fn([self.dataset[self._rows[task]] for task in tasks])
        self._given = 0

    def state_dict(self) -> dict[str, Any]:
        """The place in the epoch, and the feed's."""
        return {"given": self._given, "feed": self._feed.state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._given = state["given"] if self._ends_epochs else state["given"] % self._batches
        self._feed.restore(state["feed"])
