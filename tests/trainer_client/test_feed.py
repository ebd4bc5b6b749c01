"""A feed of tasks: drawn at one place, told at another, and taken up after a resume where it was."""

import json
import logging
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service import Service
from trainer_client import FakeSelector, RewardOutOfRange, SelectorClient, SelectorUnavailable, Task
from trainer_client.data_sets import DataSetMismatch
from trainer_client.feed import TaskFeed
from trainer_client.resuming import RolledBack

TASKS = [f"task-{number}" for number in range(20)]


def feed_of(fake: FakeSelector, **options: Any) -> TaskFeed:
    given = {"batch_size": 4, "tasks": TASKS, "url": "http://selector", "max_retries": 0} | options
    return TaskFeed("run", transport=fake.transport, **given)


def events(fake: FakeSelector, kind: str, run: str = "run") -> list[dict[str, Any]]:
    client = SelectorClient("http://selector", run, transport=fake.transport)
    return [event for event in client.events() if event["type"] == kind]


def keys(fake: FakeSelector, run: str = "run") -> list[str]:
    return [event["key"] for event in events(fake, "selected", run)]


def make_run(service: Service, run: str) -> None:
    with SelectorClient(service.url) as client:
        client.create_pool(run)
        client.add_tasks(run, [Task(id=task) for task in TASKS])
        client.create_run(run, pool=run)


def outcomes(fake: FakeSelector) -> list[list[tuple[str, float, int]]]:
    """What each commit of the run holds: task, successes, trials."""
    tasks = {event["selection"]: event["tasks"] for event in events(fake, "selected")}
    return [
        [
            (tasks[selection][place], successes, trials)
            for selection, rows in event["outcomes"].items()
            for place, successes, trials, *_ in rows
        ]
        for event in events(fake, "committed")
    ]


def drops(fake: FakeSelector) -> dict[str, str]:
    tasks = {event["selection"]: event["tasks"] for event in events(fake, "selected")}
    return {
        tasks[event["selection"]][place]: why
        for event in events(fake, "dropped")
        for place, why in event["drops"]
    }


def seen(tasks: Iterable[str]) -> dict[str, list[float]]:
    return {task: [1.0, 0.0] for task in tasks}


def saved(feed: TaskFeed) -> dict[str, Any]:
    """What a checkpoint gives back."""
    return json.loads(json.dumps(feed.state()))


def resumed(fake: FakeSelector, state: dict[str, Any], **options: Any) -> TaskFeed:
    """The feed of a job that takes up a checkpoint; the one that died is forgotten."""
    feed = feed_of(fake, **options)
    feed.restore(state)
    return feed


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="trainer_client")
    return caplog


def test_batches_are_drawn_and_told_one_after_the_other(fake: FakeSelector):
    feed = feed_of(fake)
    for _ in range(3):
        feed.report(seen(feed.batch()))
    assert keys(fake) == ["step-0.0", "step-1.0", "step-2.0"]
    kinds = [event["type"] for event in SelectorClient("http://s", "run", transport=fake.transport).events()]
    assert kinds == ["created", *["selected", "committed"] * 3]
    assert sum(trials for _, trials in fake.evidence("run").values()) == 3 * 4 * 2


def test_tasks_drawn_one_by_one_share_a_selection_and_are_told_in_any_order(fake: FakeSelector):
    feed = feed_of(fake)
    drawn = [feed.task() for _ in range(4)]
    assert len(set(drawn)) == 4
    for task in reversed(drawn):
        feed.report(seen([task]))
    feed.task()
    assert keys(fake) == ["step-0.0", "step-1.0"]
    assert [len(commit) for commit in outcomes(fake)] == [4]


def test_integers_are_ids(fake: FakeSelector):
    with SelectorClient("http://selector", "run", transport=fake.transport) as client:
        client.add_tasks("pool", [Task(id=number) for number in range(2)])  # pyright: ignore[reportArgumentType]
    feed = feed_of(fake, tasks=[0, 1], batch_size=2)
    assert sorted(feed.batch()) == ["0", "1"]
    feed.report({0: [1, 0]}, dropped={1: "timeout"})  # pyright: ignore[reportArgumentType]
    assert outcomes(fake) == [[("0", 1, 2)]]
    assert drops(fake) == {"1": "timeout"}


def test_the_rest_of_a_batch_comes_as_one(fake: FakeSelector):
    feed = feed_of(fake)
    first = feed.task()
    rest = feed.batch()
    assert len({first, *rest}) == 4
    assert len(feed.batch(2)) == 2


def test_without_look_ahead_the_batch_before_ends_when_one_is_drawn(fake: FakeSelector):
    feed = feed_of(fake)
    first, second, *others = feed.batch()
    feed.report({first: [1, 0], second: [None]})
    feed.batch()
    assert outcomes(fake) == [[(first, 1, 2)]]
    assert drops(fake) == {second: "not scored"}
    status = SelectorClient("http://selector", "run", transport=fake.transport).run_status()
    assert status.dropped == 1 + len(others)


def test_as_many_batches_as_it_looks_ahead_wait_for_their_report(
    fake: FakeSelector, log: pytest.LogCaptureFixture
):
    feed = feed_of(fake, look_ahead=2)
    batches = [feed.batch() for _ in range(3)]
    assert len(events(fake, "selected")) == 3
    assert events(fake, "released") == []
    feed.report(seen(batches[1]))
    batches.append(feed.batch())
    assert len(events(fake, "released")) == 1  # the oldest, of which nothing was told
    feed.report(seen(set(batches[0]) - set(batches[3])))
    assert "no batch waits for a report of" in log.messages[-1]
    feed.report(seen([*batches[2], *batches[3]]))
    assert len(events(fake, "committed")) == 3


def test_without_end_of_looking_ahead_batches_end_by_their_reports(fake: FakeSelector):
    feed = feed_of(fake, look_ahead=None)
    batches = [feed.batch() for _ in range(4)]
    for first, second, *_ in batches:
        feed.report({first: [1, 0], second: [1, 1]}, final=True)
    assert [len(commit) for commit in outcomes(fake)] == [2] * 4


def test_a_task_of_two_batches_counts_for_the_older_one_first():
    fake = FakeSelector.with_run("run", TASKS[:4])
    client = SelectorClient("http://s", "run", transport=fake.transport)
    client.patch_run(share_leased=True)
    feed = feed_of(fake, tasks=TASKS[:4], look_ahead=1)
    feed.batch()
    feed.batch()
    feed.report({task: [1, 1] for task in TASKS[:4]})
    feed.report({task: [0, 0] for task in TASKS[:4]})
    assert [sum(successes for _, successes, _ in commit) for commit in outcomes(fake)] == [8, 0]


def test_drops_are_told_with_their_reason(fake: FakeSelector):
    feed = feed_of(fake)
    first, second, third, fourth = feed.batch()
    feed.report({first: [1, 0], second: [float("nan")]}, dropped={third: "too long", fourth: "timeout"})
    assert drops(fake) == {second: "not scored", third: "too long", fourth: "timeout"}


def test_a_reward_that_the_run_does_not_take_is_refused_and_may_be_told_anew(fake: FakeSelector):
    feed = feed_of(fake)
    tasks = feed.batch()
    with pytest.raises(RewardOutOfRange, match="1\\.5"):
        feed.report({task: [1.5, 0] for task in tasks})
    assert fake.evidence("run") == {}
    feed.report(seen(tasks))
    assert set(fake.evidence("run")) == set(tasks)


def test_figures_for_the_log(fake: FakeSelector):
    feed = feed_of(fake)
    feed.report({task: [1, number > 1] for number, task in enumerate(feed.batch())})
    calls, promised = {"select_ms", "report_ms", "fallback"}, {"predicted_rate", "predicted_etr"}
    assert set(feed.figures) == calls | promised | {"seen_rate", "etr", "never_selected"}
    assert (feed.figures["etr"], feed.figures["seen_rate"]) == (0.5, 0.75)


def test_that_nothing_is_reported_is_said_once_with_the_cure(
    fake: FakeSelector, log: pytest.LogCaptureFixture
):
    feed = feed_of(fake, look_ahead=None)
    feed.batch()
    feed.expect_reports("set it up")
    assert "set it up" not in log.text
    feed.batch()
    for _ in range(2):
        feed.expect_reports("set it up")
    assert log.text.count("2 batches were drawn, and nothing was reported of any: set it up") == 1


def test_once_something_was_reported_nothing_is_said(fake: FakeSelector, log: pytest.LogCaptureFixture):
    feed = feed_of(fake, look_ahead=None)
    feed.report(seen(feed.batch()))
    feed.batch()
    feed.batch()
    feed.expect_reports("set it up")
    assert "set it up" not in log.text


def test_wrong_ids_are_said_at_the_start(fake: FakeSelector):
    with pytest.raises(DataSetMismatch, match="lacks 1 of the data set's 21 tasks, such as 'tsk-1'"):
        feed_of(fake, tasks=[*TASKS, "tsk-1"]).open()
    assert events(fake, "selected") == []


def test_run_and_address_may_stand_in_the_environment(service: Service, monkeypatch: pytest.MonkeyPatch):
    make_run(service, "feed-environment")
    with pytest.raises(ValueError, match="SELECTOR_RUN"):
        TaskFeed(batch_size=4, tasks=TASKS)
    monkeypatch.setenv("SELECTOR_URL", service.url)
    monkeypatch.setenv("SELECTOR_RUN", "feed-environment")
    feed = pickle.loads(pickle.dumps(TaskFeed(batch_size=4, tasks=TASKS)))
    assert len(feed.batch()) == 4
    with pytest.raises(TypeError, match="before its first use"):
        pickle.dumps(feed)
    feed.close()


def test_a_closed_feed_gives_its_batches_back(fake: FakeSelector):
    feed = feed_of(fake, look_ahead=None)
    feed.close()  # it was never used
    feed.batch()
    feed.batch()
    feed.close()
    assert len(events(fake, "released")) == 2


def test_two_trainings_on_one_run_are_told(fake: FakeSelector, log: pytest.LogCaptureFixture):
    feed, other = feed_of(fake), feed_of(fake)
    assert feed.batch() == other.batch()
    assert "another trainer is at work on this run" in log.messages[-1]


class TestResume:
    """A job dies; another takes up what its checkpoint held."""

    def test_after_a_report(self, fake: FakeSelector):
        died = feed_of(fake)
        died.report(seen(died.batch()))
        state = saved(died)
        lost = died.batch()
        feed = resumed(fake, state)
        assert feed.batch() == lost  # the tasks that were handed out after the checkpoint, by the same key
        feed.report(seen(lost))
        assert keys(fake) == ["step-0.0", "step-1.0"]
        assert len(events(fake, "committed")) == 2

    def test_from_a_checkpoint_that_was_made_before_the_report(self, fake: FakeSelector):
        died = feed_of(fake)
        died.report(seen(died.batch()))
        trained = died.batch()
        state = saved(died)
        feed = resumed(fake, state)
        assert feed.batch() != trained  # it is in the weights already
        assert keys(fake) == ["step-0.0", "step-1.0", "step-2.0"]
        assert len(events(fake, "released")) == 1  # its tasks do not stay leased

    def test_if_the_report_came_through_after_that(self, fake: FakeSelector):
        died = feed_of(fake)
        tasks = died.batch()
        state = saved(died)
        died.report(seen(tasks))
        feed = resumed(fake, state)
        feed.report(seen(feed.batch()))
        assert keys(fake) == ["step-0.0", "step-1.0"]
        assert [len(commit) for commit in outcomes(fake)] == [4, 4]

    def test_amid_a_batch(self, fake: FakeSelector):
        died = feed_of(fake)
        tasks = [died.task(), died.task()]
        died.report(seen(tasks[:1]))
        state = saved(died)
        after = died.task()
        died.report(seen([after]))
        feed = resumed(fake, state)
        assert feed.task() == after
        last = feed.task()
        feed.report(seen([after, last]))
        feed.task()
        assert keys(fake) == ["step-0.0", "step-1.0"]
        (commit,) = outcomes(fake)
        assert set(commit) == {(task, 1, 2) for task in (tasks[0], after, last)}

    def test_from_before_what_the_run_holds_goes_on_in_a_fork(self, fake: FakeSelector):
        died = feed_of(fake)
        died.report(seen(died.batch()))
        state = saved(died)
        died.report(seen(died.batch()))
        feed = resumed(fake, state)
        feed.report(seen(feed.batch()))
        assert keys(fake, "run-2") == ["step-1.0"]
        assert events(fake, "created", "run-2")[0]["parent"] == {"run": "run", "step": 1}
        again = resumed(fake, saved(feed))
        again.batch()
        assert keys(fake, "run-2") == ["step-1.0", "step-2.0"]
        assert len(keys(fake)) == 2

    def test_amid_a_batch_that_the_run_holds_begins_the_batch_of_the_fork(self, fake: FakeSelector):
        died = feed_of(fake)
        died.report(seen(died.batch()))
        died.task()
        state = saved(died)
        died.report(seen(died.batch()), final=True)
        feed = resumed(fake, state)
        tasks = [feed.task() for _ in range(4)]
        assert len(set(tasks)) == 4
        assert keys(fake, "run-2") == ["step-1.0"]

    def test_of_who_looks_ahead_has_all_that_the_checkpoint_knows(self, fake: FakeSelector):
        died = feed_of(fake, look_ahead=2)
        batches = [died.batch(), died.batch()]
        for tasks in batches:
            died.report(seen(tasks))
        state = saved(died)
        ahead = [died.batch(), died.batch()]
        died.report(seen(ahead[0]))
        resumed(fake, state, look_ahead=2).batch()
        assert events(fake, "created", "run-2")[0]["parent"] == {"run": "run", "step": 2}

    def test_what_it_ends_in_the_run_is_not_in_the_fork(self, fake: FakeSelector):
        died = feed_of(fake, look_ahead=2)
        in_part = died.batch()
        died.report(seen(in_part[:1]))
        died.report(seen(died.batch()))
        state = saved(died)
        died.report(seen(died.batch()))
        resumed(fake, state, look_ahead=2).batch()
        assert [len(commit) for commit in outcomes(fake)] == [4, 4, 1]
        assert events(fake, "created", "run-2")[0]["parent"] == {"run": "run", "step": 1}

    def test_in_a_run_that_is_ahead_may_be_refused(self, fake: FakeSelector):
        died = feed_of(fake)
        state = saved(died)
        died.report(seen(died.batch()))
        feed = resumed(fake, state, on_rollback="fail")
        with pytest.raises(RolledBack):
            feed.batch()

    def test_of_a_feed_in_use(self, fake: FakeSelector):
        feed = feed_of(fake)
        feed.report(seen(feed.batch()))
        state = saved(feed)
        tasks = feed.batch()
        feed.restore(state)
        assert saved(feed) == state
        assert feed.batch() == tasks

    def test_while_the_service_is_away(
        self, fake: FakeSelector, tmp_path: Path, log: pytest.LogCaptureFixture
    ):
        died = feed_of(fake, unsent_reports=tmp_path)
        died.batch()
        state = saved(died)
        fake.down()
        feed = resumed(fake, state, unsent_reports=tmp_path)
        feed.report(seen(feed.batch()))
        assert any("earlier selections were not ended" in message for message in log.messages)
        fake.up()
        feed.report(seen(feed.batch()))
        assert sum(trials for _, trials in fake.evidence("run").values()) == 2 * 4 * 2

    def test_with_a_service_that_stays_away(self, fake: FakeSelector):
        died = feed_of(fake)
        died.batch()
        feed = feed_of(fake)
        feed.open()
        feed.restore(saved(died))
        fake.down()
        with pytest.raises(SelectorUnavailable):
            feed.batch()


def test_training_goes_on_while_the_service_is_away(fake: FakeSelector, tmp_path: Path):
    feed = feed_of(fake, unsent_reports=tmp_path)
    feed.report(seen(feed.batch()))
    fake.down()
    for _ in range(2):
        feed.report(seen(feed.batch()))
    fake.up()
    feed.close()
    assert sum(trials for _, trials in fake.evidence("run").values()) == 3 * 4 * 2
    assert not list(tmp_path.glob("*.json"))


def test_on_a_real_service_every_group_counts_once(service: Service):
    """It dies again and again, between a selection and its report, and goes on from its newest checkpoint."""
    make_run(service, "feed-real")
    lines = [httpx.HTTPTransport() for _ in range(4)]

    def job(line: httpx.HTTPTransport) -> TaskFeed:
        return TaskFeed("feed-real", batch_size=4, tasks=TASKS, url=service.url, transport=line)

    feed, state = job(lines[0]), None
    for step in range(9):
        tasks = feed.batch()
        if step % 3 == 0:
            feed = job(lines[1 + step // 3])
            if state is not None:
                feed.restore(state)
            assert feed.batch() == tasks
        feed.report(seen(tasks))
        state = saved(feed)
    with SelectorClient(service.url, "feed-real") as client:
        log = list(client.events())
    for line in lines:
        line.close()
    assert [event["type"] for event in log] == ["created", *["selected", "committed"] * 9]
    assert [event["key"] for event in log if event["type"] == "selected"] == [f"step-{n}.0" for n in range(9)]
