"""What a training's log hears: what was promised, what was seen, and now and then where the run is."""

import json
from pathlib import Path

import httpx
import pytest

from trainer_client import FakeSelector, Fallback, Outcome, SelectorClient, Task
from trainer_client.figures import REPORTS_A_LOOK
from trainer_client.steps import TrainingSteps

Measured = list[tuple[str, float]]


@pytest.fixture
def measured() -> Measured:
    return []


def steps_of(
    transport: httpx.BaseTransport, measured: Measured, *, folder: Path | None = None
) -> TrainingSteps:
    """A training's steps in the run of `fake`, whose tasks it has all."""
    tasks = [f"task-{number}" for number in range(20)]
    fallback = Fallback(tasks, folder) if folder else None
    client = SelectorClient("http://selector", run="run", transport=transport, fallback=fallback)
    steps = TrainingSteps(client, measure=lambda name, value: measured.append((name, value)))
    steps.fit(tasks)
    return steps


def looks(fake: FakeSelector) -> int:
    """How often the run's status was asked for."""
    return sum((each.method, each.url.path) == ("GET", "/runs/run") for each in fake.requests)


def test_a_batch_has_what_was_promised_and_what_was_seen(fake: FakeSelector, measured: Measured):
    steps = steps_of(fake.transport, measured)
    selection = steps.select(0, 4)
    steps.report(selection, {task: [number > 0, 1.0] for number, task in enumerate(selection.tasks)})
    figures = dict(measured)
    assert selection.predicted is not None
    assert selection.predicted.informative is not None
    assert figures["predicted_rate"] == selection.predicted.mean
    assert figures["predicted_etr"] == selection.predicted.informative / 4
    assert (figures["seen_rate"], figures["etr"], figures["fallback"]) == (7 / 8, 1 / 4, 0)


def test_what_was_seen_is_told_on_the_scale_of_the_run(measured: Measured):
    fake = FakeSelector()
    client = SelectorClient("http://selector", run="run", transport=fake.transport)
    client.create_pool("pool")
    client.add_tasks("pool", [Task(id=f"task-{number}") for number in range(20)])
    client.create_run("run", "pool", rewards={"type": "range", "min": -1, "max": 3})
    steps = steps_of(fake.transport, measured)
    selection = steps.select(0, 2)
    first, second = selection.tasks
    counted = Outcome(task=second, successes=1, trials=4)
    steps.report(selection, [Outcome(task=first, rewards=(3, 1)), counted])
    assert dict(measured)["seen_rate"] == (0.75 + 0.25) / 2


def test_a_scale_that_is_not_known_tells_no_rate(fake: FakeSelector, measured: Measured):
    client = SelectorClient("http://selector", run="run", transport=fake.transport)
    steps = TrainingSteps(client, measure=lambda name, value: measured.append((name, value)))
    selection = steps.select(0, 2)
    steps.report(selection, {task: [1, 0] for task in selection.tasks})
    assert "seen_rate" not in dict(measured)
    assert dict(measured)["etr"] == 1


def test_where_the_run_is_is_looked_up_at_the_first_and_every_tenth_report(
    fake: FakeSelector, measured: Measured
):
    steps = steps_of(fake.transport, measured)
    before = looks(fake)
    for step in range(2 * REPORTS_A_LOOK + 1):
        selection = steps.select(step, 2, policy_version=step)
        steps.report(selection, {task: [1, 0] for task in selection.tasks}, policy_version=step)
    assert looks(fake) - before == 3
    assert [name for name, _ in measured].count("never_selected") == 3
    assert dict(measured)["staleness"] == 0


def test_capability_is_told_by_domain_where_the_service_tells_it(fake: FakeSelector, measured: Measured):
    def with_capability(request: httpx.Request) -> httpx.Response:
        answer = fake.transport.handle_request(request)
        if (request.method, request.url.path) != ("GET", "/runs/run"):
            return answer
        view = json.loads(answer.read()) | {"capability": {"math": 0.25, "code": None}}
        return httpx.Response(200, json=view)

    steps = steps_of(httpx.MockTransport(with_capability), measured)
    selection = steps.select(0, 2)
    steps.report(selection, {task: [1, 0] for task in selection.tasks})
    assert {name: value for name, value in measured if name.startswith("capability")} == {
        "capability/math": 0.25
    }


@pytest.mark.parametrize("status", [403, 503])
def test_a_look_that_fails_is_made_once_and_hurts_nobody(
    fake: FakeSelector, measured: Measured, pauses: list[float], status: int
):
    failing: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET" and reported:
            failing.append(request)
            return httpx.Response(status)
        return fake.transport.handle_request(request)

    reported: list[bool] = []
    steps = steps_of(httpx.MockTransport(answer), measured)
    selection = steps.select(0, 2)
    reported.append(True)
    assert steps.report(selection, {task: [1, 0] for task in selection.tasks}).committed
    assert (len(failing), pauses) == (1, [])
    assert "never_selected" not in dict(measured)


def test_a_batch_of_the_fallback_is_marked_and_nothing_is_looked_up(
    fake: FakeSelector, measured: Measured, pauses: list[float], tmp_path: Path
):
    steps = steps_of(fake.transport, measured, folder=tmp_path)
    before = looks(fake)
    fake.down()
    selection = steps.select(0, 2)
    assert steps.report(selection, {task: [1, 0] for task in selection.tasks}).spooled
    assert dict(measured)["fallback"] == 1
    assert dict(measured)["seen_rate"] == 0.5
    assert "predicted_rate" not in dict(measured)
    assert looks(fake) == before
    fake.up()
    selection = steps.select(1, 2)
    steps.report(selection, {task: [1, 0] for task in selection.tasks})
    assert dict(measured)["fallback"] == 0
    assert looks(fake) == before + 1
