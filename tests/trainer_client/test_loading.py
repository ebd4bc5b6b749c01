"""In the place of a data loader: epochs of selected rows, none drawn ahead, taken up where they were."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

import pytest

from trainer_client import FakeSelector, SelectorClient
from trainer_client.feed import TaskFeed
from trainer_client.loading import SelectedLoader

TASKS = [f"task-{number}" for number in range(20)]
BATCH = 4
EPOCH = 5


class Rows:
    """A data set, whose rows are their tasks."""

    def __getitem__(self, row: int) -> str:
        return TASKS[row]

    def collate_fn(self, rows: list[str]) -> tuple[str, ...]:
        return tuple(rows)


def loader_of(fake: FakeSelector, state: dict[str, Any] | None = None, **options: bool) -> Any:
    feed = TaskFeed("run", batch_size=BATCH, tasks=TASKS, url="http://selector", transport=fake.transport)
    loader = SelectedLoader(Rows(), TASKS, feed, EPOCH, **options)
    if state is not None:
        loader.load_state_dict(json.loads(json.dumps(state)))
    return loader


def drawn(fake: FakeSelector) -> list[str]:
    client = SelectorClient("http://selector", "run", transport=fake.transport)
    return [task for event in client.events() if event["type"] == "selected" for task in event["tasks"]]


def test_an_epoch_has_its_batches_and_none_is_drawn_before_it_is_asked_for(fake: FakeSelector):
    loader = loader_of(fake)
    assert len(loader) == EPOCH
    got: list[str] = []
    for batch in loader:
        got += batch
        assert drawn(fake) == got
    assert len(got) == EPOCH * BATCH
    assert len(list(loader)) == EPOCH


def test_one_by_one_rows_share_a_selection(fake: FakeSelector):
    assert [*islice(loader_of(fake, one_by_one=True), 3)] == [(task,) for task in drawn(fake)[:3]]
    assert len(drawn(fake)) == BATCH


@pytest.mark.parametrize("one_by_one", [True, False])
def test_a_resume_gives_what_is_left_of_the_epoch(fake: FakeSelector, one_by_one: bool):
    loader = loader_of(fake, one_by_one=one_by_one)
    list(islice(loader, 2))
    state = loader.state_dict()
    lost = next(iter(loader))
    resumed = loader_of(fake, state, one_by_one=one_by_one)
    rest = list(resumed)
    assert rest[0] == lost
    assert len(rest) == EPOCH - 2
    assert len(list(resumed)) == EPOCH


@pytest.mark.parametrize(("ends_epochs", "left"), [(True, 0), (False, EPOCH)])
def test_after_the_last_batch_of_an_epoch(fake: FakeSelector, ends_epochs: bool, left: int):
    loader = loader_of(fake)
    list(islice(loader, EPOCH))
    resumed = loader_of(fake, loader.state_dict(), ends_epochs=ends_epochs)
    assert len(list(resumed)) == left
    assert len(list(resumed)) == EPOCH
