"""A training's tasks beside the pool of its run."""

import logging
from collections.abc import Iterator
from typing import Any
from weakref import ref

import pytest

from trainer_client import FakeSelector, SelectorClient, Task
from trainer_client.data_sets import DataSetMismatch, fit
from trainer_client.models import PosteriorRow


class Watching(SelectorClient):
    """Looks how many rows are held of those that it gave."""

    most = 0

    def posteriors(self, *arguments: Any, **named: Any) -> Iterator[PosteriorRow]:
        given: list[ref[PosteriorRow]] = []
        for number in range(20):
            row = PosteriorRow(task=f"task-{number}", mean=0.5, sd=0.1, selected=0, last_step=None)
            given.append(ref(row))
            yield row
            del row
            self.most = max(self.most, sum(each() is not None for each in given))


@pytest.fixture
def client(fake: FakeSelector) -> SelectorClient:
    return SelectorClient("http://selector", run="run", transport=fake.transport)


def test_what_the_data_set_lacks_is_excluded_and_said_when_it_is(
    client: SelectorClient, caplog: pytest.LogCaptureFixture
):
    tasks = [f"task-{number}" for number in range(17)]
    with caplog.at_level(logging.WARNING):
        fit(client, tasks)
    assert caplog.messages == [
        "run 'run': 3 of the pool's 20 tasks are not in the data set, such as 'task-17', 'task-18', 'task-19'; "
        "they are excluded from the run"
    ]
    caplog.clear()
    assert fit(client, tasks).excluded == 3
    assert caplog.messages == []
    fit(client, tasks[1:])
    assert caplog.messages[0].startswith("run 'run': 1 of the pool's 20 tasks")


def test_a_task_that_the_pool_lacks_is_named(client: SelectorClient):
    with pytest.raises(
        DataSetMismatch, match="lacks 1 of the data set's 2 tasks, such as 'stranger'; its own"
    ):
        fit(client, ["task-1", "stranger"])


def test_integers_are_ids(client: SelectorClient):
    client.create_pool("numbers")
    client.add_tasks("numbers", [Task(id=number) for number in range(3)])  # pyright: ignore[reportArgumentType]
    client.create_run("numbers", "numbers")
    client.run = "numbers"
    assert fit(client, [0, 2]).excluded == 0  # pyright: ignore[reportArgumentType]
    assert client.run_status().excluded == 1


def test_of_a_pool_only_the_names_are_held(fake: FakeSelector):
    watching = Watching("http://selector", run="run", transport=fake.transport)
    fit(watching, ["task-1"])
    assert 0 < watching.most <= 2
