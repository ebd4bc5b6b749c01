"""What adapters stand on: keys that come again after a resume, rewards as outcomes, one rank that asks for all."""

import json
import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from trainer_client import FakeSelector, Fallback, Outcome, Selection, SelectorClient, SelectorUnavailable
from trainer_client.groups import effective_task_ratio, grouped, grouped_by_rollout
from trainer_client.ranks import asked_once
from trainer_client.resuming import StepKeys
from trainer_client.steps import TrainingSteps


@pytest.fixture
def client(fake: FakeSelector) -> SelectorClient:
    return SelectorClient("http://selector", run="run", transport=fake.transport, max_retries=0)


def keys(fake: FakeSelector) -> list[str]:
    return [json.loads(request.content)["key"] for request in fake.requests if request.url.path == "/select"]


def test_a_key_names_the_step_and_which_of_its_selections():
    of_a_training = StepKeys()
    assert [of_a_training.next(step) for step in (0, 1, 1, 1, 2)] == [
        "step-0.0",
        "step-1.0",
        "step-1.1",
        "step-1.2",
        "step-2.0",
    ]


def test_a_job_that_resumes_makes_the_keys_of_the_one_that_died():
    died, resumed = StepKeys(), StepKeys()
    made = {step: [died.next(step), died.next(step)] for step in range(4)}
    assert {step: [resumed.next(step), resumed.next(step)] for step in (2, 3)} == {2: made[2], 3: made[3]}


def test_rollouts_of_one_task_side_by_side():
    groups = [[1, 0], [None, 1], [math.nan, None]]
    assert grouped(["a", "b", "c"], groups) == {"a": [1, 0], "b": [1]}


def test_one_row_a_rollout_in_any_order():
    tasks = ["a", "b", "a", "c", "b"]
    assert grouped_by_rollout(tasks, [1, None, 0, math.nan, 0.5]) == {"a": [1, 0], "b": [0.5]}


@pytest.mark.parametrize("group", [grouped, grouped_by_rollout])
def test_tasks_and_rewards_of_different_length_are_a_mistake(group: Callable[..., object]):
    with pytest.raises(ValueError, match=r"shorter|longer"):
        group(["a", "b"], [[1]])


def test_the_effective_task_ratio_counts_groups_whose_rewards_are_not_all_equal():
    assert effective_task_ratio({"a": [1, 0], "b": [1, 1], "c": [0, 0.5], "d": [0.5, 0.5]}) == 0.5
    assert effective_task_ratio([Outcome(task="a", successes=16, trials=16)]) == 0
    assert effective_task_ratio({}) is None


def test_a_training_selects_reports_and_measures(client: SelectorClient, fake: FakeSelector):
    measured: list[tuple[str, float]] = []
    steps = TrainingSteps(client, measure=lambda name, value: measured.append((name, value)), explain=True)
    for step in (0, 0, 1):
        selection = steps.select(step, batch_size=2)
        assert selection.explain is not None
        first, second = selection.tasks
        receipt = steps.report(selection, grouped([first, second], [[1, 0], [1, 1]]))
        assert receipt.committed
    assert keys(fake) == ["step-0.0", "step-0.1", "step-1.0"]
    of_each = ["select_ms", "fallback", "predicted_rate", "predicted_etr", "report_ms", "etr"]
    assert [name for name, _ in measured if name != "never_selected"] == of_each * 3
    assert [value for name, value in measured if name == "etr"] == [0.5] * 3
    assert all(value > 0 for name, value in measured if name != "fallback")


def test_a_selection_of_which_nothing_was_scored_is_released_and_has_no_ratio(client: SelectorClient):
    measured: list[str] = []
    steps = TrainingSteps(client, measure=lambda name, _: measured.append(name))
    steps.report(steps.select(0, 2), {})
    assert client.run_status().selections.released == 1
    assert measured == ["select_ms", "fallback", "predicted_rate", "predicted_etr", "report_ms"]


@pytest.mark.parametrize("resumes", [False, True])
def test_a_second_training_is_warned_and_one_that_goes_on_is_only_told(
    client: SelectorClient,
    fake: FakeSelector,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    resumes: bool,
):
    for checkpoint in (None, tmp_path if resumes else None):
        steps = TrainingSteps(client, on_rollback="keep")
        steps.begin(checkpoint)
        with caplog.at_level("INFO", "trainer_client"):
            selection = steps.select(0, 2)
            steps.report(selection, {task: [1.0, 0.0] for task in selection.tasks})
    told = [record for record in caplog.records if "before" in record.message]
    assert ["handed out before" in told[0].message, "reported before" in told[1].message] == [True, True]
    assert {record.levelname for record in told} == {"INFO" if resumes else "WARNING"}


def test_a_selection_may_be_reported_in_parts(client: SelectorClient):
    steps = TrainingSteps(client)
    selection = steps.select(0, 2)
    first, second = selection.tasks
    assert not steps.report(selection, {first: [1, 0]}, final=False).committed
    assert steps.report(selection, {second: [1, 0]}, final=False).committed


class Ranks:
    """The ranks of a training, each a thread; rank 0 is the main one."""

    def __init__(self, size: int):
        self._size = size
        self._boxes: list[Queue[Any]] = [Queue() for _ in range(size)]

    def run(self, work: Callable[[bool, Callable[[Any], Any]], object]) -> list[object]:
        """What came of `work(is_main, broadcast)` on each rank, its error included."""

        def on(rank: int) -> object:
            def broadcast(message: Any) -> Any:
                if rank == 0:
                    for box in self._boxes:
                        box.put(message)
                return self._boxes[rank].get(timeout=10)

            try:
                return work(rank == 0, broadcast)
            except Exception as error:
                return error

        with ThreadPoolExecutor(self._size) as threads:
            return list(threads.map(on, range(self._size)))


def test_one_rank_asks_and_all_hear(client: SelectorClient, fake: FakeSelector):
    def select(is_main: bool, broadcast: Callable[..., Selection | None]) -> Selection:
        return TrainingSteps(client, is_main=is_main, broadcast=broadcast).select(0, 3)

    first, *others = Ranks(4).run(select)
    assert isinstance(first, Selection)
    assert others == [first] * 3
    assert len(fake.requests) == 1


def test_the_others_hear_also_when_the_main_rank_fails(client: SelectorClient, fake: FakeSelector):
    fake.down()

    def select(is_main: bool, broadcast: Callable[..., Selection | None]) -> Selection:
        return TrainingSteps(client, is_main=is_main, broadcast=broadcast).select(0, 3)

    first, *others = Ranks(3).run(select)
    assert isinstance(first, SelectorUnavailable)
    assert {str(error) for error in others} == {"the main rank got no selection; its own error says why"}


def test_what_is_asked_may_be_anything():
    asked = threading.Event()

    def ask() -> str:
        assert not asked.is_set()
        asked.set()
        return "answer"

    def work(is_main: bool, broadcast: Callable[..., str | None]) -> str:
        return asked_once(ask, is_main=is_main, broadcast=broadcast, what="word")

    assert Ranks(2).run(work) == ["answer", "answer"]


def test_a_step_is_planned_and_topped_up(client: SelectorClient, fake: FakeSelector):
    steps = TrainingSteps(client)
    first = steps.plan(0, 2, rollouts=2, at_most=9)  # of uniform tasks a third of such groups is informative
    assert first is not None
    assert len(first.tasks) == 6
    steps.report(first, {task: [1, 0] if task == first.tasks[0] else [1, 1] for task in first.tasks})
    more = steps.plan(0, 1, rollouts=2, at_most=9)
    assert more is not None
    assert 3 <= len(more.tasks) < 6
    assert keys(fake) == ["step-0.0", "step-0.1"]


def test_a_plan_that_takes_too_many_tasks_is_given_back(client: SelectorClient):
    steps = TrainingSteps(client)
    assert steps.plan(0, 2, rollouts=2, at_most=5) is None
    assert steps.plan(0, 100, rollouts=2, at_most=1000) is None  # more than the pool promises
    status = client.run_status()
    assert (status.selections.open, status.step) == (0, 0)


def test_a_plan_of_the_fallback_that_takes_too_many_tasks_is_passed_over(
    fake: FakeSelector, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    tasks = [f"task-{number}" for number in range(20)]
    client = SelectorClient(
        "http://selector",
        run="run",
        transport=fake.transport,
        max_retries=0,
        fallback=Fallback(tasks, tmp_path),
    )
    steps = TrainingSteps(client)
    fake.down()
    assert steps.plan(0, 3, rollouts=2, at_most=5) is None
    assert steps.select(0, 3).fallback

    # The service is lost between a plan and giving it back.
    fake.up()
    ask = client.select
    client.select = lambda *args, **kwargs: (ask(*args, **kwargs), fake.down())[0]  # pyright: ignore
    assert steps.plan(1, 3, rollouts=2, at_most=5) is None
    assert "is not given back before its lease ends" in caplog.text
    fake.up()
    assert client.run_status().selections.open == 1


def test_more_tasks_in_a_step_are_none_where_there_are_too_few(client: SelectorClient):
    steps = TrainingSteps(client)
    assert len(steps.select(0, 15).tasks) == 15
    assert steps.select_more(0, 6) is None
    more = steps.select_more(0, 5, policy_version=0)
    assert more is not None
    assert len(more.tasks) == 5


def test_a_top_up_that_comes_out_otherwise_after_a_resume_is_a_selection_of_its_own(
    client: SelectorClient, fake: FakeSelector
):
    died = TrainingSteps(client)
    first = died.plan(0, 2, rollouts=2, at_most=9)
    assert first is not None
    died.report(first, {task: [1, 1] for task in first.tasks})
    lost = died.plan(0, 1, rollouts=2, at_most=9)
    resumed = TrainingSteps(client, on_rollback="keep")
    again = resumed.plan(0, 2, rollouts=2, at_most=9)
    assert again is not None
    assert lost is not None
    assert again.selection == first.selection
    other = resumed.plan(0, 2, rollouts=2, at_most=9)
    assert other is not None
    assert other.selection != lost.selection
    assert len(other.tasks) == 6


def test_a_checkpoint_is_whole_or_its_file_is_named(client: SelectorClient, tmp_path: Path):
    steps = TrainingSteps(client)
    steps.remember(tmp_path)
    steps.begin(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["selector.json"]
    (tmp_path / "selector.json").write_text('{"asked_for": "r')
    with pytest.raises(ValueError, match=rf"{tmp_path}/selector.json: damaged \(.*\)\. Give"):
        steps.begin(tmp_path)
