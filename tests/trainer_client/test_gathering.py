"""Batches whose groups end one by one: reported as one, or by each group where it is rolled out elsewhere."""

import json
import pickle
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service import Service
from trainer_client import FakeSelector, SelectorClient, Task
from trainer_client.feed import TaskFeed
from trainer_client.gathering import GatheredBatch, Gathering

TASKS = [f"task-{number}" for number in range(20)]


def feed_of(fake: FakeSelector) -> TaskFeed:
    return TaskFeed("run", batch_size=4, tasks=TASKS, url="http://selector", transport=fake.transport)


def gathering_of(fake: FakeSelector, folder: Path) -> Gathering:
    """In a training of three batches."""
    given: dict[str, Any] = {"run": "run", "batch_size": 4, "tasks": TASKS, "url": "http://selector"}
    return Gathering(folder, 3, transport=fake.transport, **given)


def keys(fake: FakeSelector) -> list[str]:
    return [event["key"] for event in events(fake, "selected")]


def events(fake: FakeSelector, kind: str) -> list[dict[str, Any]]:
    client = SelectorClient("http://selector", "run", transport=fake.transport)
    return [event for event in client.events() if event["type"] == kind]


def tell_all(batch: GatheredBatch, tasks: Sequence[str]) -> None:
    for task in tasks:
        batch.tell(task, [1.0, 0.0])


def test_the_last_group_reports_all(fake: FakeSelector):
    batch = GatheredBatch(feed_of(fake))
    tell_all(batch, batch.tasks[:3])
    assert events(fake, "committed") == []
    assert not batch.report()
    batch.tell(batch.tasks[3], [1.0, None])
    assert batch.report()
    assert len(events(fake, "committed")) == 1
    assert sorted(trials for _, trials in fake.evidence("run").values()) == [1, 2, 2, 2]


def test_groups_may_end_in_threads(fake: FakeSelector):
    feed = feed_of(fake)
    with ThreadPoolExecutor() as threads:
        for _ in range(5):
            batch = GatheredBatch(feed)
            list(threads.map(lambda task, batch=batch: batch.tell(task, [1.0, 0.0]), batch.tasks))
    assert len(events(fake, "committed")) == 5


def test_a_task_of_two_batches_under_way_counts_for_each(fake: FakeSelector):
    """Where the run shares leased tasks, and the later batch ends first."""
    SelectorClient("http://selector", "run", transport=fake.transport).patch_run(share_leased=True)
    feed = TaskFeed(
        "run", batch_size=20, tasks=TASKS, look_ahead=1, url="http://selector", transport=fake.transport
    )
    first, second = GatheredBatch(feed), GatheredBatch(feed)
    tell_all(second, second.tasks)
    tell_all(first, first.tasks)
    assert set(fake.evidence("run").values()) == {(2.0, 4)}
    assert len(events(fake, "committed")) == 2


def test_one_that_fails_last_leaves_the_report_to_whoever_goes_on(fake: FakeSelector):
    """So a training that ends with it has reported nothing, and begins the batch again."""
    batch = GatheredBatch(feed_of(fake))
    tell_all(batch, batch.tasks[:3])
    batch.fail(batch.tasks[0], "after its rewards were told")
    batch.fail(batch.tasks[3], "TimeoutError")
    assert events(fake, "committed") == []
    assert batch.report()
    (dropped,) = events(fake, "dropped")
    assert dropped["drops"] == [[3, "TimeoutError"]]
    assert len(events(fake, "committed")) == 1


def test_what_is_told_after_the_report_does_not_count(fake: FakeSelector):
    batch = GatheredBatch(feed_of(fake))
    tell_all(batch, batch.tasks)
    batch.tell(batch.tasks[0], [0.0, 0.0])
    assert set(fake.evidence("run").values()) == {(1, 2)}


def test_while_the_service_is_away_a_batch_is_one_report(fake: FakeSelector, tmp_path: Path):
    feed = TaskFeed(
        "run",
        batch_size=4,
        tasks=TASKS,
        url="http://selector",
        transport=fake.transport,
        unsent_reports=tmp_path,
        max_retries=0,
    )
    fake.down()
    batch = GatheredBatch(feed)
    tell_all(batch, batch.tasks)
    assert len(list(tmp_path.glob("*.json"))) == 1
    fake.up()
    feed.close()
    assert len(events(fake, "committed")) == 1


@pytest.mark.parametrize("unsent_reports", [True, False])
def test_a_copy_in_another_process_reports_each_group(service: Service, tmp_path: Path, unsent_reports: bool):
    run = f"gathered-{unsent_reports}"
    with SelectorClient(service.url, run) as client:
        client.create_pool(run)
        client.add_tasks(run, [Task(id=task) for task in TASKS])
        client.create_run(run, pool=run)
        folder = tmp_path if unsent_reports else None
        feed = TaskFeed(run, batch_size=4, tasks=TASKS, url=service.url, unsent_reports=folder)
        batch = GatheredBatch(feed)
        for task in batch.tasks[:3]:
            pickle.loads(pickle.dumps(batch)).tell(task, [1.0, 0.0])
        copy = pickle.loads(pickle.dumps(batch))
        copy.tell(batch.tasks[3], [None])
        assert not copy.report()
        status = client.run_status()
        assert (status.step, status.selections.committed, status.dropped) == (1, 1, 1)
        feed.close()


class Noting(httpx.BaseTransport):
    """Writes down with which token each call was made; can be pickled."""

    def __init__(self, file: Path):
        self.file = file

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with self.file.open("a") as lines:
            lines.write(request.headers["authorization"] + "\n")
        with httpx.HTTPTransport() as transport:
            response = transport.handle_request(request)
            response.read()
        return response


def test_a_copy_in_another_process_has_the_options_of_its_feed(service: Service, tmp_path: Path):
    run, calls = "gathered-with-options", tmp_path / "calls"
    with SelectorClient(service.url, run) as client:
        client.create_pool(run)
        client.add_tasks(run, [Task(id=task) for task in TASKS])
        client.create_run(run, pool=run)
        options: dict[str, Any] = {"token": "mine", "transport": Noting(calls)}
        batch = GatheredBatch(TaskFeed(run, batch_size=4, tasks=TASKS, url=service.url, **options))
        calls.unlink()
        pickle.loads(pickle.dumps(batch)).tell(batch.tasks[0], [1.0, 0.0])
        assert calls.read_text() == "Bearer mine\n"


def test_a_group_that_has_ended_is_dropped_if_it_was_not_told(fake: FakeSelector):
    batch = GatheredBatch(feed_of(fake))
    for task in batch.tasks[:2]:
        batch.tell(task, [1.0])
        batch.end(task)
    batch.end(batch.tasks[2])
    try:
        raise TimeoutError
    except TimeoutError:
        batch.end(batch.tasks[3])
    assert batch.report()
    (dropped,) = events(fake, "dropped")
    assert dropped["drops"] == [[2, "not graded"], [3, "TimeoutError"]]


def test_a_group_that_is_interrupted_is_begun_again(fake: FakeSelector):
    batch = GatheredBatch(feed_of(fake))
    tell_all(batch, batch.tasks[:3])
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        batch.end(batch.tasks[3])
    assert not batch.report()


def test_batches_are_gathered_in_order_and_may_begin_again(fake: FakeSelector, tmp_path: Path):
    gathering = gathering_of(fake, tmp_path)
    for number in (0, 1, 2, 0):
        batch = gathering.next(number)
        tell_all(batch, batch.tasks)
    assert keys(fake) == [f"step-{number}.0" for number in range(4)]
    assert "selector/etr" in gathering.next(1).logged
    with pytest.raises(ValueError, match="got batch 1, but 2 is next"):
        gathering.next(1)


def test_one_that_is_begun_again_has_the_same_tasks(fake: FakeSelector, tmp_path: Path):
    gathering = gathering_of(fake, tmp_path)
    batch = gathering.next(0)
    tell_all(batch, batch.tasks)
    tasks = gathering.next(1).tasks
    assert gathering_of(fake, tmp_path).next(1).tasks == tasks
    assert keys(fake) == ["step-0.0", "step-1.0"]


def test_one_that_begins_on_the_run_of_another_is_warned(
    fake: FakeSelector, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    gathering_of(fake, tmp_path / "other").next(0)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    gathering_of(fake, tmp_path / "own").next(0)
    assert "another trainer is at work on this run" in caplog.text
    caplog.clear()
    gathering_of(fake, tmp_path / "own").next(0)
    assert "another trainer" not in caplog.text


def test_without_its_file_it_goes_on_by_the_number(fake: FakeSelector, tmp_path: Path):
    gathering_of(fake, tmp_path).next(2)
    assert keys(fake) == ["step-2.0"]


def test_a_line_that_a_kill_tore_off_is_written_anew(fake: FakeSelector, tmp_path: Path):
    gathering, file = gathering_of(fake, tmp_path), tmp_path / "selector.jsonl"
    batch = gathering.next(0)
    tell_all(batch, batch.tasks)
    tasks = gathering.next(1).tasks
    whole = file.read_text()
    for torn in (whole[:-1], whole[: len(whole) // 2 + 9], whole[:9]):
        file.write_text(torn)
        assert gathering_of(fake, tmp_path).next(1).tasks == tasks
        assert json.loads(file.read_text().splitlines()[-1])["batch"] == 1
        assert gathering_of(fake, tmp_path).next(1).tasks == tasks


def test_a_damaged_line_is_named(fake: FakeSelector, tmp_path: Path):
    file = tmp_path / "selector.jsonl"
    gathering_of(fake, tmp_path).next(0)
    file.write_text(f"{file.read_text()}?\n")
    with pytest.raises(ValueError, match=rf"{file}, line 2: damaged \(.*\)\. Take the line away"):
        gathering_of(fake, tmp_path).next(1)


def test_what_failed_last_is_reported_before_the_next_batch_and_at_the_end(
    fake: FakeSelector, tmp_path: Path
):
    gathering = gathering_of(fake, tmp_path)
    for number in range(2):
        batch = gathering.next(number)
        assert len(events(fake, "committed")) == number
        tell_all(batch, batch.tasks[:3])
        batch.fail(batch.tasks[3], "TimeoutError")
    gathering.close()
    assert len(events(fake, "committed")) == 2
    assert [event["drops"] for event in events(fake, "dropped")] == [[[3, "TimeoutError"]]] * 2
