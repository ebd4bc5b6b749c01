import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.service import Service
from trainer_client import (
    BatchTooLarge,
    FakeSelector,
    Fallback,
    InvalidRequest,
    NotFound,
    Outcome,
    Selection,
    SelectorClient,
    Task,
    Unauthorized,
)

TASKS = [f"task-{number}" for number in range(20)]
URL = "http://selector"


@pytest.fixture
def fallback(tmp_path: Path) -> Fallback:
    return Fallback(TASKS, tmp_path / "spool")


@pytest.fixture
def client(fake: FakeSelector, fallback: Fallback, pauses: list[float]) -> SelectorClient:
    return SelectorClient(URL, run="run", transport=fake.transport, fallback=fallback)


def successor(fake: FakeSelector, fallback: Fallback) -> SelectorClient:
    """The client of a process that starts anew on the same folder."""
    again = Fallback(TASKS, fallback.spool.folder)
    return SelectorClient(URL, run="run", transport=fake.transport, fallback=again)


def rewards(selection: Selection) -> dict[str, list[float]]:
    return {task: [1, 0, 0.5] for task in selection.tasks}


def reports_received(fake: FakeSelector) -> list[dict]:
    return [json.loads(request.content) for request in fake.requests if request.url.path == "/report"]


def test_training_goes_on_while_the_selector_is_away_and_all_evidence_arrives_once(
    client: SelectorClient, fake: FakeSelector, fallback: Fallback
):
    sent: Counter[str] = Counter()
    marks = []
    for step in range(10):
        selection = client.select(3, key=f"step-{step}")
        if step == 3:
            fake.down()  # with a leased selection in hand
        receipt = client.report(selection, rewards(selection))
        if step == 6:
            fake.up()
        sent.update(selection.tasks)
        marks.append((selection.fallback, receipt.spooled))
    assert marks == [(False, False)] * 3 + [(False, True)] + [(True, True)] * 3 + [(False, False)] * 3
    assert fake.evidence("run") == {task: (1.5 * times, 3 * times) for task, times in sent.items()}
    assert len(fallback.spool) == 0
    status = client.run_status()
    assert (status.step, status.selections.committed, status.selections.open) == (10, 7, 0)


def test_a_lost_selections_lease_does_not_end_the_training(
    client: SelectorClient, fake: FakeSelector, caplog: pytest.LogCaptureFixture
):
    fake.lose_replies(5)
    assert client.select(12, key="step-0").fallback  # while the service holds 12 of its 20 tasks for it
    batch = client.select(12, key="step-1")
    assert batch.fallback
    (message,) = (record.message for record in caplog.records if "too few tasks" in record.message)
    assert "selection that was lost" in message
    assert "batch-too-large" in message
    client.report(batch, rewards(batch))
    assert fake.evidence("run") == dict.fromkeys(batch.tasks, (1.5, 3))
    fake.advance(3600)
    assert not client.select(12, key="step-2").fallback


def test_a_batch_that_is_too_large_without_any_loss_is_raised(client: SelectorClient, fake: FakeSelector):
    client.select(12)
    with pytest.raises(BatchTooLarge):
        client.select(12)


def test_waiting_reports_go_oldest_first_and_before_the_next_selection(
    client: SelectorClient, fake: FakeSelector
):
    fake.down()
    batches = []
    for step in range(12):
        selection = client.select(2, key=f"step-{step}")
        batches.append(selection.tasks)
        client.report(selection, rewards(selection))
    fake.up()
    fake.requests.clear()
    assert client.select(1).step == 12
    received = [[outcome["task"] for outcome in body["outcomes"]] for body in reports_received(fake)]
    assert received == batches
    assert [request.url.path for request in fake.requests] == ["/report"] * 12 + ["/select"]


def test_while_away_each_call_is_one_attempt_without_waiting(
    client: SelectorClient, fake: FakeSelector, pauses: list[float]
):
    fake.down()
    selection = client.select(1)
    assert len(pauses) == 4
    for _ in range(5):
        client.report(selection, rewards(selection))
        client.select(1)
    assert len(pauses) == 4
    assert len(fake.requests) == 5 + 10
    fake.up()
    client.flush()
    fake.fail_next(4)
    assert not client.select(1).fallback
    assert len(pauses) == 8


@pytest.mark.parametrize("status", [500, 502, 503, 429, None])
def test_any_unavailability_is_answered_by_the_fallback(
    status: int | None, client: SelectorClient, fake: FakeSelector
):
    fake.fail_next(5, status=status)
    selection = client.select(2)
    assert selection.fallback
    fake.fail_next(status=status)
    assert client.report(selection, rewards(selection)).spooled


def test_a_process_killed_while_it_reports_leaves_the_report_to_its_successor(
    fake: FakeSelector, fallback: Fallback
):
    selection = SelectorClient(URL, run="run", transport=fake.transport).select(2)
    program = """
        import os, signal, sys
        import httpx
        from trainer_client import Fallback, Selection, SelectorClient

        def die(request):
            os.kill(os.getpid(), signal.SIGKILL)

        selection = Selection.model_validate_json(sys.argv[2])
        client = SelectorClient(
            "http://selector", transport=httpx.MockTransport(die), fallback=Fallback(["task-0"], sys.argv[1])
        )
        client.report(selection, {task: [1, 0, 0.5] for task in selection.tasks})
    """
    arguments = [str(fallback.spool.folder), selection.model_dump_json()]
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(program), *arguments], timeout=60)
    assert killed.returncode == -signal.SIGKILL
    client = successor(fake, fallback)
    client.select(1)
    assert fake.evidence("run") == dict.fromkeys(selection.tasks, (1.5, 3))
    assert client.flush() == 0


def test_a_report_cut_off_in_writing_is_no_report(client: SelectorClient, fallback: Fallback):
    (fallback.spool.folder / "00000000000000000001-abcdef01.unfinished").write_bytes(b'{"run"')
    assert client.flush() == 0


def test_a_report_acknowledged_but_not_yet_removed_counts_once(
    client: SelectorClient, fake: FakeSelector, fallback: Fallback, tmp_path: Path
):
    fake.down()
    selection = client.select(2)
    client.report(selection, rewards(selection))
    shutil.copytree(fallback.spool.folder, tmp_path / "before")
    fake.up()
    client.flush()
    shutil.copytree(tmp_path / "before", fallback.spool.folder, dirs_exist_ok=True)
    assert successor(fake, fallback).flush() == 0
    assert fake.evidence("run") == dict.fromkeys(selection.tasks, (1.5, 3))


def test_two_processes_on_one_folder_count_everything_once(
    client: SelectorClient, fake: FakeSelector, fallback: Fallback
):
    other = successor(fake, fallback)
    fake.down()
    batches = [client.select(2, key="a"), other.select(2, key="b")]
    client.report(batches[0], rewards(batches[0]))
    other.report(batches[1], rewards(batches[1]))
    fake.up()
    client.select(1)
    other.select(1)
    sent = Counter(task for batch in batches for task in batch.tasks)
    assert fake.evidence("run") == {task: (1.5 * times, 3 * times) for task, times in sent.items()}


def test_threads_share_a_client(client: SelectorClient, fake: FakeSelector):
    def step(number: int) -> list[str]:
        if number == 10:
            fake.down()
        if number == 30:
            fake.up()
        selection = client.select(1, key=f"step-{number}")
        client.report(selection, {selection.tasks[0]: [1]})
        return selection.tasks

    with ThreadPoolExecutor(8) as threads:
        sent = Counter(task for tasks in threads.map(step, range(40)) for task in tasks)
    fake.up()
    assert client.flush() == 0
    assert fake.evidence("run") == {task: (times, times) for task, times in sent.items()}


def test_a_refused_report_is_put_aside_with_the_reason_and_holds_nothing_up(
    client: SelectorClient, fake: FakeSelector, fallback: Fallback, caplog: pytest.LogCaptureFixture
):
    fake.down()
    strange = Selection(selection="fallback-1", run="other", step=0, tasks=["task-0"], fallback=True)
    client.report(strange, rewards(strange))
    good = client.select(1)
    client.report(good, rewards(good))
    fake.up()
    with caplog.at_level(logging.WARNING, "trainer_client"):
        assert client.flush() == 0
    assert fake.evidence("run") == dict.fromkeys(good.tasks, (1.5, 3))
    report, reason = sorted(fallback.spool.rejected.iterdir())
    assert json.loads(report.read_bytes())["run"] == "other"
    assert "unknown-run" in reason.read_text()
    (message,) = (record.message for record in caplog.records if "refused" in record.message)
    assert "unknown-run" in message
    assert str(report) in message


def test_a_refused_report_moved_back_is_sent_again(
    client: SelectorClient, fake: FakeSelector, fallback: Fallback
):
    fake.down()
    early = Selection(selection="fallback-1", run="other", step=0, tasks=["task-0"], fallback=True)
    client.report(early, rewards(early))
    fake.up()
    client.flush()
    client.create_run("other", "pool")
    for file in fallback.spool.rejected.glob("*.json"):
        file.rename(fallback.spool.folder / file.name)
    assert client.flush() == 0
    assert fake.evidence("other") == {"task-0": (1.5, 3)}


def test_a_report_on_which_the_service_fails_waits_but_holds_nothing_up(
    client: SelectorClient, fake: FakeSelector, fallback: Fallback
):
    fake.down()
    batches = [client.select(1, key="a"), client.select(1, key="b")]
    for batch in batches:
        client.report(batch, rewards(batch))
    fake.up()
    fake.fail_next(1, status=500)
    assert not client.select(1).fallback
    assert reports_received(fake)[-1]["key"].startswith(batches[1].selection)
    assert len(fallback.spool) == 1
    assert client.flush() == 0


def test_without_a_valid_token_reports_stay_on_disk(
    client: SelectorClient, fake: FakeSelector, fallback: Fallback
):
    fake.down()
    selection = client.select(1)
    client.report(selection, rewards(selection))
    fake.up()
    fake.fail_next(2, status=401)
    with pytest.raises(Unauthorized):
        client.select(1)
    with pytest.raises(Unauthorized):
        client.report(selection, rewards(selection))
    assert len(fallback.spool) == 2
    assert client.flush() == 0
    assert fake.evidence("run") == dict.fromkeys(selection.tasks, (1.5, 3))


def test_a_refusal_to_the_callers_face_is_raised_and_the_report_is_put_aside(
    client: SelectorClient, fallback: Fallback
):
    with pytest.raises(InvalidRequest):
        client.select(0)
    assert not fallback.spool.rejected.exists()
    selection = Selection(selection="s9", run="another", step=0, tasks=["task-0"])
    with pytest.raises(NotFound):
        client.report(selection, rewards(selection))
    assert len(fallback.spool) == 0
    assert len(list(fallback.spool.rejected.glob("*.json"))) == 1


@pytest.mark.parametrize("away", [False, True])
def test_the_outcomes_of_a_lost_selection_are_sent_without_one(
    away: bool,
    client: SelectorClient,
    fake: FakeSelector,
    fallback: Fallback,
    caplog: pytest.LogCaptureFixture,
):
    selection = Selection(selection="s9", run="run", step=0, tasks=["task-0", "task-1"])
    if away:
        fake.down()
        assert client.report(selection, rewards(selection)).spooled
        fake.up()
        assert client.flush() == 0
    else:
        assert client.report(selection, rewards(selection)).accepted == 2
    client.report(selection, rewards(selection))
    assert fake.evidence("run") == dict.fromkeys(selection.tasks, (1.5, 3))
    assert len(fallback.spool) == 0
    assert not fallback.spool.rejected.exists()
    assert "does not know selection s9 any more" in caplog.text


def test_going_away_and_coming_back_is_logged_once(
    client: SelectorClient, fake: FakeSelector, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.INFO, "trainer_client"):
        client.select(1)
        fake.down()
        client.select(1)
        client.select(1)
        fake.up()
        client.select(1)
        client.select(1)
    away, back = (record.message for record in caplog.records)
    assert away.startswith("the selector is away")
    assert back == "the selector is back"


def test_reports_left_behind_are_announced(
    client: SelectorClient, fake: FakeSelector, fallback: Fallback, caplog: pytest.LogCaptureFixture
):
    fake.down()
    with client:
        selection = client.select(1)
        client.report(selection, rewards(selection))
    assert f"1 reports wait in {fallback.spool.folder}" in caplog.text


def test_what_a_successor_sends_of_its_predecessors_reports_is_said(
    client: SelectorClient, fake: FakeSelector, fallback: Fallback, caplog: pytest.LogCaptureFixture
):
    fake.down()
    for _ in range(2):
        selection = client.select(1)
        client.report(selection, rewards(selection))
    fake.up()
    with caplog.at_level(logging.INFO, "trainer_client"):
        successor(fake, fallback).select(1)
    assert f"sent what waited in {fallback.spool.folder}: 2 reports" in caplog.text


def test_each_task_of_a_fallback_batch_counts_once_in_whatever_parts(
    client: SelectorClient, fake: FakeSelector
):
    fake.down()
    selection = client.select(3, key="step-0")
    first, second, third = selection.tasks
    client.report(selection, {first: [1], second: [1]})
    client.report(selection, {second: [0]})
    fake.up()
    receipt = client.report(selection, {third: [1]})
    assert (receipt.selection, receipt.accepted, receipt.committed, receipt.step) == (None, 1, True, 2)
    again = client.report(selection, {third: [1]})
    assert (again.accepted, again.duplicates, again.step) == (0, 1, 2)
    assert fake.evidence("run") == dict.fromkeys(selection.tasks, (1, 1))


def test_a_leased_selection_reported_after_its_lease_still_counts(client: SelectorClient, fake: FakeSelector):
    selection = client.select(1)
    fake.down()
    client.report(selection, rewards(selection))
    fake.advance(4000)
    fake.up()
    client.flush()
    assert fake.evidence("run") == dict.fromkeys(selection.tasks, (1.5, 3))


def test_releasing_a_fallback_batch_does_nothing(
    client: SelectorClient, fake: FakeSelector, fallback: Fallback
):
    fake.down()
    receipt = client.report(client.select(1), [], final=True)
    assert (receipt.accepted, receipt.spooled) == (0, False)
    assert len(fallback.spool) == 0


def test_final_on_a_fallback_batch_leaves_nothing_open(client: SelectorClient, fake: FakeSelector):
    fake.down()
    selection = client.select(2)
    client.report(selection, [Outcome(task=selection.tasks[0], successes=1, trials=2)], final=True)
    fake.up()
    assert client.flush() == 0
    assert fake.evidence("run") == {selection.tasks[0]: (1, 2)}


def test_a_client_without_fallback_can_report_anothers_fallback_batch(
    client: SelectorClient, fake: FakeSelector
):
    fake.down()
    selection = client.select(1)
    fake.up()
    SelectorClient(URL, transport=fake.transport).report(selection, rewards(selection))
    assert fake.evidence("run") == dict.fromkeys(selection.tasks, (1.5, 3))


def test_a_key_gets_the_same_fallback_batch_in_every_process(fallback: Fallback, tmp_path: Path):
    twin = Fallback(TASKS, tmp_path / "other")
    assert fallback.select("run", 5, "step-0") == twin.select("run", 5, "step-0")
    another = Fallback(TASKS, tmp_path / "other", seed=1)
    others = [
        fallback.select("run", 5, "step-1"),
        fallback.select("run-2", 5, "step-0"),
        another.select("run", 5, "step-0"),
    ]
    assert len({batch.selection for batch in [twin.select("run", 5, "step-0"), *others]}) == 4
    assert len({tuple(batch.tasks) for batch in [twin.select("run", 5, "step-0"), *others]}) == 4


def test_fallback_batches_are_uniform_and_hold_no_task_twice(fallback: Fallback):
    batches = [fallback.select("run", 5, f"step-{step}").tasks for step in range(4000)]
    assert all(len(set(tasks)) == 5 for tasks in batches)
    counts = Counter(task for tasks in batches for task in tasks)
    chi_square = sum((counts[task] - 1000) ** 2 / 1000 for task in TASKS)
    assert chi_square < 43.8  # 99.9 % of chi-square with 19 degrees of freedom


def test_a_batch_that_the_fallback_could_not_fill_is_a_mistake_at_once(client: SelectorClient):
    with pytest.raises(ValueError, match="batch_size: got 21, but the fallback has 20 tasks"):
        client.select(21)


def test_integers_are_ids(fake: FakeSelector, tmp_path: Path, pauses: list[float]):
    fallback = Fallback([1, 2], tmp_path)  # pyright: ignore[reportArgumentType]
    with SelectorClient("http://s", "run", transport=fake.transport, fallback=fallback) as client:
        fake.down()
        assert sorted(client.select(2).tasks) == ["1", "2"]
    with pytest.raises(ValueError, match="got 2 ids, 1 different"):
        Fallback([1, "1"], tmp_path)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("tasks", [[], ["a", "b", "a"]])
def test_a_list_that_is_empty_or_repeats_a_task_is_a_mistake(tasks: list[str], tmp_path: Path):
    with pytest.raises(ValueError, match="tasks"):
        Fallback(tasks, tmp_path)


def test_a_report_is_on_disk_before_it_is_sent(fallback: Fallback, monkeypatch: pytest.MonkeyPatch):
    order: list[str] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("fsync"), fsync(handle)))

    def answer(request: httpx.Request) -> httpx.Response:
        order.append("sent")
        assert len(fallback.spool) == 1
        receipt = {
            "selection": "s1",
            "accepted": 1,
            "duplicates": 0,
            "remaining": 0,
            "committed": True,
            "step": 1,
        }
        return httpx.Response(200, json=receipt)

    client = SelectorClient(URL, transport=httpx.MockTransport(answer), fallback=fallback)
    selection = Selection(selection="s1", run="run", step=0, tasks=["task-0"])
    assert client.report(selection, rewards(selection)).accepted == 1
    assert order == ["fsync", "fsync", "sent"]  # the file, the folder that names it
    assert len(fallback.spool) == 0


@pytest.mark.slow
def test_training_goes_on_while_a_real_service_crashes_and_all_evidence_arrives_once(tmp_path: Path):
    service = Service(tmp_path / "data").start()
    try:
        fallback = Fallback(TASKS, tmp_path / "spool")
        sent: Counter[str] = Counter()
        with SelectorClient(service.url, run="run", max_retries=0, fallback=fallback) as client:
            client.create_pool("pool")
            client.add_tasks("pool", (Task(id=task) for task in TASKS))
            client.create_run("run", "pool", posterior={"type": "bots", "forgetting": 0})
            away = 0
            for step in range(9):
                selection = client.select(3, key=f"step-{step}")
                if step == 2:
                    service.kill()
                receipt = client.report(selection, {task: [1, 0] for task in selection.tasks})
                if step == 5:
                    service.start()
                sent.update(selection.tasks)
                away += selection.fallback + receipt.spooled
            assert away == 7
            rows = {row.task: (row.alpha, row.beta) for row in client.posteriors()}
            status = client.run_status()
        assert rows == {task: (1 + sent[task], 1 + sent[task]) for task in TASKS}
        assert (status.step, status.selections.committed, status.selections.open) == (9, 6, 0)
    finally:
        service.stop()


def test_a_planned_step_is_two_tasks_for_every_informative_group_while_the_selector_is_away(
    client: SelectorClient, fake: FakeSelector
):
    fake.down()
    batch = client.select(informative=3.5, rollouts=8, key="step-0.0")
    assert (batch.fallback, len(batch.tasks), batch.predicted) == (True, 7, None)
    assert client.select(informative=3.5, rollouts=8, key="step-0.0") == batch
    assert len(client.select(informative=30).tasks) == len(TASKS)  # all that it has
