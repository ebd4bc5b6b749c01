"""The checks of adapters pass a right one, and fail one with each mistake that was seen in the field."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.integrations import conformance
from tests.integrations.conformance import Adapter, Batch, rewards_of
from tests.service import Service
from trainer_client import FakeSelector, SelectorClient, Task
from trainer_client.feed import TaskFeed
from trainer_client.groups import by_task

TASKS = [f"task-{number}" for number in range(40)]
STEPS = 12


def rolled_out(tasks: list[str]) -> Batch:
    return {task: rewards_of(task, 4, drops=True) for task in tasks}


def feed_of(fake: FakeSelector, look_ahead: int = 0) -> TaskFeed:
    return TaskFeed(
        "run", batch_size=6, tasks=TASKS, look_ahead=look_ahead, url="http://s", transport=fake.transport
    )


def tell(feed: TaskFeed, batch: Batch, **options: Any) -> None:
    feed.report({task: rewards or [] for task, rewards in batch.items()}, **options)


def right(fake: FakeSelector) -> list[Batch]:
    feed, batches = feed_of(fake), []
    for _ in range(STEPS):
        batches.append(rolled_out(feed.batch()))
        tell(feed, batches[-1])
    return batches


def with_look_ahead(fake: FakeSelector) -> list[Batch]:
    """Its data loader fetches a batch before the one in hand has its rewards."""
    feed, batches = feed_of(fake, look_ahead=1), []
    ahead = feed.batch()
    for _ in range(STEPS):
        batches.append(rolled_out(ahead))
        ahead = feed.batch()
        tell(feed, batches[-1])
    batches.append(rolled_out(ahead))
    tell(feed, batches[-1])
    return batches


def that_forgets_drops(fake: FakeSelector) -> list[Batch]:
    """It reports what was scored, and ends the selection."""
    feed, batches = feed_of(fake), []
    for _ in range(STEPS):
        batches.append(rolled_out(feed.batch()))
        tell(feed, {task: rewards for task, rewards in batches[-1].items() if rewards}, final=True)
    return batches


def that_reports_after_the_filter(fake: FakeSelector) -> list[Batch]:
    """Groups without variance never reach it."""
    feed, batches = feed_of(fake), []
    for _ in range(STEPS):
        batches.append(rolled_out(feed.batch()))
        tell(feed, {task: rewards for task, rewards in batches[-1].items() if len(set(rewards or [])) != 1})
    feed.close()
    return batches


def whose_keys_repeat(fake: FakeSelector) -> list[Batch]:
    """Its keys name the position in an epoch of seven steps."""
    client, batches = SelectorClient("http://s", "run", transport=fake.transport), []
    for step in range(STEPS):
        selection = client.select(6, key=f"step-{step % 7}.0")
        batches.append(rolled_out(selection.tasks))
        scored = {task: rewards for task, rewards in batches[-1].items() if rewards}
        client.report(selection, scored, dropped=dict.fromkeys(batches[-1].keys() - scored, "no reward"))
    return batches


def that_loses_a_selection(fake: FakeSelector) -> list[Batch]:
    """It dies after a selection, and its successor asks with keys of its own."""
    client, numbers, batches = SelectorClient("http://s", "run", transport=fake.transport), count(), []
    for step in range(STEPS):
        if step == STEPS // 2:
            client.select(6, key=f"job-1.{next(numbers)}")
        selection = client.select(6, key=f"job-2.{next(numbers)}")
        batches.append(rolled_out(selection.tasks))
        scored = {task: rewards for task, rewards in batches[-1].items() if rewards}
        client.report(selection, scored, dropped=dict.fromkeys(batches[-1].keys() - scored, "no reward"))
    return batches


def that_tells_by_task(fake: FakeSelector) -> list[Batch]:
    """A step has two selections, and is told by its tasks, of which both have some."""
    SelectorClient("http://s", "run", transport=fake.transport).patch_run(share_leased=True)
    feed, batches = feed_of(fake, look_ahead=1), []
    for _ in range(STEPS // 2):
        step = [rolled_out(feed.batch()), rolled_out(feed.batch())]
        rollouts = [(task, reward) for batch in step for task in batch for reward in batch[task] or [None]]
        feed.report(by_task(*zip(*rollouts, strict=True)))
        batches += step
    feed.close()
    return batches


def that_tells_by_group(fake: FakeSelector) -> list[Batch]:
    """Likewise, and told by its groups."""
    SelectorClient("http://s", "run", transport=fake.transport).patch_run(share_leased=True)
    feed, batches = feed_of(fake, look_ahead=1), []
    for _ in range(STEPS // 2):
        step = [rolled_out(feed.batch()), rolled_out(feed.batch())]
        feed.report_groups((task, list(rewards or [])) for batch in step for task, rewards in batch.items())
        batches += step
    return batches


def check(adapter: Adapter, training: Callable[[FakeSelector], list[Batch]]) -> None:
    fake = FakeSelector.with_run("run", TASKS)
    batches = training(fake)
    conformance.check(
        adapter, list(SelectorClient("http://s", "run", transport=fake.transport).events()), batches
    )


def test_a_right_adapter_passes():
    check(Adapter(), right)


def test_one_that_says_how_far_it_looks_ahead_passes():
    check(Adapter(look_ahead=1), with_look_ahead)


def test_one_whose_framework_hides_drops_passes():
    check(Adapter(tells_drops=False), that_forgets_drops)


def test_one_that_tells_two_groups_of_a_task_apart_passes():
    check(Adapter(look_ahead=1), that_tells_by_group)


def test_one_that_makes_one_of_them_fails():
    with pytest.raises(AssertionError, match="those of no group"):
        check(Adapter(look_ahead=1), that_tells_by_task)


@pytest.mark.parametrize(
    ("training", "fault"),
    [
        (with_look_ahead, "all wait for a report"),
        (that_forgets_drops, "could not be scored"),
        (that_reports_after_the_filter, "rolled out, but not counted"),
        (whose_keys_repeat, "a key came again"),
        (that_loses_a_selection, "nobody rolled out"),
    ],
)
def test_a_wrong_adapter_fails(training: Callable[[FakeSelector], list[Batch]], fault: str):
    with pytest.raises(AssertionError, match=fault):
        check(Adapter(), training)


def test_the_log_of_a_fork_has_what_it_took_over(service: Service):
    """A training that reads four batches ahead dies when its run holds one that its checkpoint does not know."""
    run = "conformance-fork"
    batches: list[Batch] = []
    with SelectorClient(service.url, run) as client:
        client.create_pool(run)
        client.add_tasks(run, [Task(id=task) for task in TASKS])
        client.create_run(run, run)

        def read_four(feed: TaskFeed) -> list[Batch]:
            return [rolled_out(feed.batch()) for _ in range(4)]

        def job() -> TaskFeed:
            return TaskFeed(run, batch_size=6, tasks=TASKS, look_ahead=None, url=service.url)

        died = job()
        batches += read_four(died)
        for batch in batches:
            tell(died, batch)
        state = died.state()
        tell(died, read_four(died)[0])
        died.close()
        resumed = job()
        resumed.restore(state)
        for _ in range(2):
            ahead = read_four(resumed)
            for batch in ahead:
                tell(resumed, batch)
            batches += ahead
        resumed.close()
        conformance.check(Adapter(look_ahead=3), list(client.events(f"{run}-2")), batches)


def test_a_step_that_is_done_again_replaces_what_it_was(tmp_path: Path):
    for job, step, task in (("1", 0, "a"), ("1", 1, "b"), ("1", 1, "c"), ("2", 1, "d"), ("2", 2, "e")):
        conformance.note(tmp_path / "notes", step, {task: [1.0]}, job)
    assert conformance.noted(tmp_path / "notes") == [{"a": [1.0]}, {"d": [1.0]}, {"e": [1.0]}]


def test_groups_of_all_kinds_occur():
    kinds = {tuple(rewards_of(task, 4, drops=True) or []) for task in TASKS}
    assert kinds == {(), (0, 0, 0, 0), (1, 1, 0, 0), (1, 1, 1, 1)}
