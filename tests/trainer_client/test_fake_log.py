"""The fake's log is the service's: event by event the same, and it folds to what the fake answers."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
import pytest

from selector_api.core.state import RunState
from selector_api.core.status import RunStatus
from selector_api.core.task_rows import TaskRows
from selector_api.core.tasks import TaskTable
from tests.core.runs import fold_all
from trainer_client import FakeSelector, SelectorClient

RUN = POOL = f"log-{uuid4().hex}"
NDJSON = {"Content-Type": "application/x-ndjson"}


def tasks(*numbers: int) -> list[dict[str, Any]]:
    return [
        {"id": f"task-{number}", "domain": ["algebra", "sets"][number % 2], "references": {"weak": 0.25}}
        for number in numbers
    ]


def seen(task: str, successes: float, trials: int) -> dict[str, Any]:
    return {"task": task, "successes": successes, "trials": trials}


def a_training(http: httpx.Client, policy: dict[str, Any]) -> None:
    """Calls that make every kind of event for every reason but the end of a lease."""

    def select(batch_size: int, **more: Any) -> tuple[str, list[str]]:
        answer = http.post("/select", json={"run": RUN, "batch_size": batch_size, **more})
        return answer.json()["selection"], answer.json()["tasks"]

    def report(selection: str | None, outcomes: list[dict[str, Any]], **more: Any) -> None:
        body = {"run": RUN, "selection": selection, "outcomes": outcomes, **more}
        assert http.post("/report", json=body).status_code == 200

    def add(*numbers: int) -> None:
        lines = "".join(json.dumps(task) + "\n" for task in tasks(*numbers))
        assert http.post(f"/pools/{POOL}/tasks", content=lines, headers=NDJSON).status_code == 200

    http.put(f"/pools/{POOL}")
    add(*range(10))
    http.put(f"/runs/{RUN}", json={"pool": POOL, "seed": 7, "policy": policy}).raise_for_status()
    whole, (first, second) = select(2, key="step-0", explain=True)
    report(whole, [seen(second, 1, 4)])
    add(10, 11, 3)
    report(whole, [seen(second, 4, 4), {"task": first, "rewards": [1, 0.5, 0]}])  # complete
    part, (first, second, third) = select(3)
    report(part, [seen(third, 0, 8)], final=True)
    report(part, [seen(second, 2, 2), seen(first, 1, 2), seen(second, 0, 2)])  # late
    report(part, [seen(second, 0, 1)])
    nothing, _ = select(12 - 4, explain=True)
    report(nothing, [], final=True)
    select(8, key="open")
    report(None, [seen("task-11", 1, 1), seen("task-0", 0, 1), seen("task-11", 0, 1)], key="mine")
    report(None, [seen("task-0", 1, 1)], key="mine")
    report(None, [seen("task-0", 1, 1)], key="other")


def log_of(http: httpx.Client) -> list[dict[str, Any]]:
    lines = http.get(f"/runs/{RUN}/events").content.splitlines()
    return [json.loads(line) for line in lines]


def without_chance(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events with places in the selection for drawn tasks, and without ids, times and explained numbers."""
    selections: dict[str | None, tuple[int, list[str]]] = {None: (0, [])}
    plain: list[dict[str, Any]] = []
    for event in events:
        plain.append(event := dict(event))
        at = event.pop("at")
        if event["type"] == "selected":
            selections[event["selection"]] = (event["number"], event["tasks"])
            event["tasks"] = len(event["tasks"])
            event["expires_at"] -= at
            event["predicted"] = sorted(event["predicted"])
            event["explain"] = sorted(
                (name, [value is None for value in column])
                for name, column in event.get("explain", {}).items()
            )
        if "selection" in event:
            outcomes = event.get("outcomes", [])
            if isinstance(outcomes, dict):
                event["outcomes"] = [
                    (selections[name][0], [_by_place(row, selections[name][1]) for row in rows])
                    for name, rows in outcomes.items()
                ]
            if "drops" in event:
                event["drops"] = [_by_place(row, selections[event["selection"]][1]) for row in event["drops"]]
            event["closes"] = [selections[name][0] for name in event.get("closes", [])]
            event["selection"] = selections[event["selection"]][0]
    return plain


def _by_place(row: list[Any], drawn: list[str]) -> list[Any]:
    place, *rest = row
    return [place if isinstance(place, int) else drawn.index(place), isinstance(place, str), *rest]


@pytest.fixture
def fake() -> FakeSelector:
    return FakeSelector()


@pytest.fixture
def http(fake: FakeSelector) -> httpx.Client:
    return httpx.Client(base_url="http://selector", transport=fake.transport)


@pytest.fixture
def real(service_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service_url, timeout=30) as real:
        yield real
        real.delete(f"/runs/{RUN}")
        real.delete(f"/pools/{POOL}")


@pytest.mark.parametrize("policy", ["thompson", "posterior-mean", "random"])
def test_every_event_is_the_services(http: httpx.Client, real: httpx.Client, policy: str):
    for selector in (http, real):
        a_training(selector, {"type": policy})
    logs = [without_chance(log_of(selector)) for selector in (http, real)]
    for mine, theirs in zip(*logs, strict=True):
        assert mine == theirs
    kinds = {(event["type"], event.get("reason")) for event in logs[0]}
    assert kinds == {
        ("created", None),
        ("grown", None),
        ("selected", None),
        ("committed", "complete"),
        ("committed", "final"),
        ("committed", "late"),
        ("committed", "unsolicited"),
        ("released", "final"),
    }


@pytest.mark.parametrize("commit", ["selection", {"outcomes": 3}], ids=str)
def test_drops_are_told_and_counted_as_the_service_does(
    http: httpx.Client, real: httpx.Client, commit: str | dict[str, int]
):
    """What a final report left out, too, and what is known of it later."""
    for selector in (http, real):
        selector.put(f"/pools/{POOL}")
        selector.post(f"/pools/{POOL}/tasks", json=tasks(*range(10)))
        selector.put(f"/runs/{RUN}", json={"pool": POOL, "commit": commit}).raise_for_status()
        answer = selector.post("/select", json={"run": RUN, "batch_size": 6}).json()
        first, second, third, fourth, fifth, _ = answer["tasks"]
        body = {"run": RUN, "selection": answer["selection"]}
        for outcomes, final in (
            ([seen(first, 1, 2), {"task": second, "dropped": "too long"}], True),
            ([{"task": third, "dropped": "timeout"}, {"task": fourth, "dropped": "timeout"}], False),
            ([seen(fifth, 1, 2), {"task": third, "dropped": "timeout"}], False),
        ):
            selector.post("/report", json={**body, "outcomes": outcomes, "final": final}).raise_for_status()
        selector.post("/select", json={"run": RUN, "batch_size": 1}).raise_for_status()
    mine, theirs = (without_chance(log_of(selector)) for selector in (http, real))
    assert mine == theirs
    dropped = [selector.get(f"/runs/{RUN}").json()["dropped"] for selector in (http, real)]
    assert dropped == [5, 5]
    assert folded(http, 10).drops == {"too long": 1, "left out": 2, "timeout": 2}


def test_every_answer_has_the_services_fields(http: httpx.Client, real: httpx.Client):
    for selector in (http, real):
        a_training(selector, {"type": "thompson"})
    paths = (f"/pools/{POOL}", f"/runs/{RUN}", f"/runs/{RUN}/posteriors?task=task-0&task=task-11")
    for path in paths:
        mine, theirs = http.get(path).json(), real.get(path).json()
        for answer in (mine, theirs):
            answer.get("calibration", {}).pop("bins", None)  # They depend on what was drawn.
        assert shape(mine) == shape(theirs)
        if "posteriors" not in path:
            by_chance = {"etr", "never_selected", "calibration"}  # they depend on what was drawn
            assert {name: mine[name] for name in mine.keys() - by_chance} == {
                name: theirs[name] for name in theirs.keys() - by_chance
            }


def shape(value: Any) -> Any:
    """The fields of an answer at all depths."""
    if isinstance(value, dict):
        return {name: shape(entry) for name, entry in value.items()}
    return [shape(entry) for entry in value] if isinstance(value, list) else None


def folded(http: httpx.Client, size: int = 12) -> RunState:
    rows = tasks(*range(size))
    columns = TaskRows.of(*([row[column] for row in rows] for column in ("id", "domain", "references")))
    table = TaskTable.empty().extended(columns)
    return fold_all(log_of(http), table)


def a_training_with_leases_that_end(http: httpx.Client, fake: FakeSelector) -> None:
    a_training(http, {"type": "thompson"})
    fake.advance(3600)
    held = http.post("/select", json={"run": RUN, "batch_size": 3}).json()
    outcome = seen(held["tasks"][1], 1, 2)
    http.post("/report", json={"run": RUN, "selection": held["selection"], "outcomes": [outcome]})
    fake.advance(3600)
    http.post("/select", json={"run": RUN, "batch_size": 4})


def test_its_fold_is_what_the_fake_answers(http: httpx.Client, fake: FakeSelector):
    a_training_with_leases_that_end(http, fake)
    state = folded(http)
    status = http.get(f"/runs/{RUN}").json()
    assert (state.step, state.size) == (status["step"], status["tasks"])
    assert len(state.leased) == status["selections"]["open"] == 1
    assert state.committed == status["selections"]["committed"]
    assert state.released == status["selections"]["released"]
    assert state.size - state.history.ever_selected == status["never_selected"]
    assert state.effective_task_ratio() == pytest.approx(status["etr"]["recent"])
    assert state.effective_task_ratio_by_domain() == pytest.approx(status["etr"]["by_domain"])
    (leased,) = state.leased.values()
    answered = http.post("/select", json={"run": RUN, "batch_size": 12 - len(leased)}).json()["tasks"]
    assert sorted(answered + state.table.ids(leased)) == sorted(row["id"] for row in tasks(*range(12)))


def test_its_fold_has_the_fakes_course(http: httpx.Client, fake: FakeSelector):
    a_training_with_leases_that_end(http, fake)
    for version in range(40):
        selected = http.post("/select", json={"run": RUN, "batch_size": 2, "policy_version": version}).json()
        outcomes = [seen(task, place, 2) for place, task in enumerate(selected["tasks"])]
        sent = {"run": RUN, "selection": selected["selection"], "outcomes": outcomes}
        http.post("/report", json=sent | {"policy_version": version - version % 3}).raise_for_status()
    state = folded(http)
    status, history = (http.get(f"/runs/{RUN}{more}").json() for more in ("", "/history?points=7"))
    theirs = RunStatus.of(RUN, state).to_dict()
    assert status["staleness"] == theirs["staleness"] == {"newest": 39, "mean": 1.0, "largest": 2}
    assert_alike(status["calibration"], theirs["calibration"])
    assert status["calibration"]["groups"] > 80
    points = state.course.points(7, state.table.domains)
    assert_alike(history["points"], [point | {"capability": {}} for point in points])
    now = {"step": state.step, "tasks": state.difficulties().tolist()}
    assert history["difficulty"] == [*state.course.histograms(), now]
    assert len(history["difficulty"]) == 3


def assert_alike(mine: Any, theirs: Any) -> None:
    """That two answers are the same but for rounding."""
    if isinstance(mine, dict):
        assert mine.keys() == theirs.keys()
        for name, value in mine.items():
            assert_alike(value, theirs[name])
    elif isinstance(mine, list):
        assert len(mine) == len(theirs)
        for one, other in zip(mine, theirs, strict=True):
            assert_alike(one, other)
    else:
        assert mine == (pytest.approx(theirs, rel=1e-9) if isinstance(theirs, float) else theirs)


def test_its_fold_has_the_fakes_posteriors_and_evidence(http: httpx.Client, fake: FakeSelector):
    a_training_with_leases_that_end(http, fake)
    state = folded(http)
    with SelectorClient("http://selector", run=RUN, transport=fake.transport) as client:
        rows = list(client.posteriors())
    known = state.posterior.of_tasks(np.arange(state.size))
    assert [row.mean for row in rows] == pytest.approx(known.mean().tolist(), rel=1e-9)
    assert [row.sd for row in rows] == pytest.approx(known.sd().tolist(), rel=1e-9)
    assert [row.alpha for row in rows] == pytest.approx(known.parameters()["alpha"].tolist(), rel=1e-9)
    assert [row.selected for row in rows] == state.history.times_selected(np.arange(state.size)).tolist()
    reported = {row.task for row in rows if row.trials}
    assert set(fake.evidence(RUN)) == reported
