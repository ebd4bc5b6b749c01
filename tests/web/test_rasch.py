"""A run with a `rasch` posterior, over HTTP, from its creation to a second process."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.core.posteriors.rasch_runs import EXAMPLE, EXAMPLE_CLASSES, EXAMPLE_COMMITS, EXAMPLE_OF_TASK
from tests.service import Service
from tests.web.calls import (
    TASKS,
    add_tasks,
    assert_problem,
    events,
    fresh_name,
    report,
    samples,
    seen,
    select,
)

PARQUET = "application/vnd.apache.parquet"
ENVIRONMENT = {"SELECTOR_SNAPSHOT_EVERY": "4"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("rasch"), environment=ENVIRONMENT).start()
    yield service
    assert service.stop() == 0, service.log()


@pytest.fixture(scope="module")
def http(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=60) as client:
        yield client


def made(http: httpx.Client, pool: str, **config: Any) -> str:
    run = fresh_name("run")
    answer = http.put(f"/runs/{run}", json={"pool": pool, "posterior": {"type": "rasch"}, **config})
    assert answer.status_code == 201, answer.text
    return run


def posteriors(http: httpx.Client, run: str) -> list[dict[str, Any]]:
    return http.get(f"/runs/{run}/posteriors").raise_for_status().json()["posteriors"]


def commit(http: httpx.Client, run: str, key: str, outcomes: dict[str, tuple[float, float]]) -> None:
    report(http, run, None, [seen(task, *counts) for task, counts in outcomes.items()], key=key)


def test_what_is_left_open_is_decided_when_the_run_is_made(http: httpx.Client, pool: str) -> None:
    run = made(http, pool)
    config = http.get(f"/runs/{run}").json()["config"]
    assert config["posterior"] == {"type": "rasch", "references": ["weak", "strong"], "rounding": 16}
    assert events(http, run)[0]["config"] == config

    # Another reference comes later: the run stays what it is, however it is asked for.
    add_tasks(http, pool, [{**TASKS[0], "references": {"third": 0.5}}]).raise_for_status()
    for again in (config, {"pool": pool, "posterior": {"type": "rasch"}}):
        assert http.put(f"/runs/{run}", json=again).status_code == 200
    other = {"pool": pool, "posterior": {"type": "rasch", "references": ["weak"]}}
    problem = assert_problem(http.put(f"/runs/{run}", json=other), 409, "run-conflict")
    assert "posterior.references" in problem["detail"]
    late = [{**TASKS[1], "references": {"strong": 0.5, "fourth": 0.1}}]
    assert add_tasks(http, pool, late).status_code == 409
    assert http.get(f"/runs/{made(http, pool)}").json()["config"]["posterior"]["references"][-1] == "third"

    run = made(http, pool, posterior={"type": "rasch", "references": []})
    assert http.get(f"/runs/{run}").json()["config"]["posterior"]["references"] == []
    assert http.get(f"/runs/{run}").json()["references"] == {}


def test_what_it_cannot_be_is_said(http: httpx.Client, pool: str) -> None:
    implicit = {"type": "none"}
    for config, code, detail in (
        ({"references": ["week"]}, "unknown-reference", "posterior.references[0]: "),
        ({"references": ["weak", "weak"]}, "invalid-request", "references names one twice"),
        ({"references": [f"r{n}" for n in range(17)]}, "invalid-request", "posterior.references: "),
        ({"implicit": implicit}, "invalid-request", "implicit is evidence of a 'bots' posterior"),
        ({"tau": 1}, "invalid-request", "posterior.tau: "),
    ):
        body = {"pool": pool, "posterior": {"type": "rasch", **config}}
        answer = http.put(f"/runs/{fresh_name('run')}", json=body)
        assert detail in assert_problem(answer, 422, code)["detail"]
    body = {"pool": pool, "posterior": {"type": "rasch"}, "implicit": implicit}
    assert_problem(http.put(f"/runs/{fresh_name('run')}", json=body), 422, "invalid-request")

    many = {f"r{n}": 0.5 for n in range(15)}
    add_tasks(http, pool, [{**TASKS[0], "references": {**TASKS[0]["references"], **many}}]).raise_for_status()
    body = {"pool": pool, "posterior": {"type": "rasch"}}
    problem = assert_problem(http.put(f"/runs/{fresh_name('run')}", json=body), 422, "invalid-request")
    assert "17 references, and at most 16" in problem["detail"]
    assert made(http, pool, posterior={"type": "rasch", "references": list(many)})


@pytest.mark.slow
def test_the_worked_example_from_commits_a_snapshot_and_a_replay(
    http: httpx.Client, service: Service
) -> None:
    pool = fresh_name("pool")
    http.put(f"/pools/{pool}").raise_for_status()
    rates = [EXAMPLE_CLASSES[each] for each in EXAMPLE_OF_TASK]
    tasks = [
        {
            "id": str(number),
            "domain": "second" if each == 5 else "first",
            "references": {name: rate for name, rate in zip("ab", pair, strict=True) if not math.isnan(rate)},
        }
        for number, (each, pair) in enumerate(zip(EXAMPLE_OF_TASK, rates, strict=True))
    ]
    add_tasks(http, pool, tasks).raise_for_status()
    run = made(http, pool)
    for stage, commits in EXAMPLE_COMMITS.items():
        for number, outcomes in enumerate(commits):
            commit(http, run, f"{stage}{number}", {str(task): outcome for task, outcome in outcomes.items()})
        rows = posteriors(http, run)
        told = EXAMPLE[stage]
        for name in ("mu", "sigma"):
            shown = [rows[task][name] for task in (0, 2, 3, 6, 9)]
            np.testing.assert_allclose(shown, told[f"task_{name}"], rtol=1e-9, atol=1e-12, err_msg=stage)
    status = http.get(f"/runs/{run}").json()
    weights = [each["weight"] for each in status["references"].values()]
    assert weights == pytest.approx(EXAMPLE["C"]["weights"][1:5:2], rel=1e-9)

    # Another process reads the snapshot and what came after it; a third, without a snapshot, everything.
    assert samples(http)["bots_run_log_events", frozenset({("run", run)})] == 6
    whole = http.get(f"/runs/{run}/posteriors").content
    for number, environment in enumerate((ENVIRONMENT, {"SELECTOR_SNAPSHOT_EVERY": "1000000"})):
        folder = service.data_dir / f"cold-{number}"
        with Service(folder, service.redis_url, environment=environment) as cold:
            assert httpx.get(f"{cold.url}/runs/{run}/posteriors").content == whole
            assert httpx.get(f"{cold.url}/runs/{run}").json() == status


def test_a_run_goes_its_whole_way(http: httpx.Client, service: Service, pool: str) -> None:
    run = made(http, pool, policy={"type": "thompson", "domains": {"algebra": 0.5, "sets": 0.5}})
    selection = select(http, run, 4, explain=True)
    for row in selection["explain"]:
        assert row.keys() == {"task", "mean", "sd", "draw", "informative", "mu", "sigma"}
        assert row["mu"] == pytest.approx(0.0, abs=1e-9)
    report(http, run, selection["selection"], [seen(task, 8, 8) for task in selection["tasks"]])
    commit(http, run, "more", {TASKS[9]["id"]: (2, 8)})
    rows = posteriors(http, run)
    row = ["task", "mean", "sd", "mu", "sigma", "selected", "last_step"]
    assert list(rows[0])[:7] == row
    assert all(row["mean"] > 0.6 for row in rows if row["task"] in selection["tasks"])
    file = pq.read_table(io.BytesIO(http.get(f"/runs/{run}/posteriors", headers={"Accept": PARQUET}).content))
    assert file.to_pylist(maps_as_pydicts="strict") == rows

    status = http.get(f"/runs/{run}").json()
    assert all(0.5 < level < 1 for level in status["capability"].values())
    assert status["references"].keys() == {"weak", "strong"}
    assert all(weight["sd"] > 0 for weight in status["references"].values())
    shown = {
        (name, dict(labels).get("reference")): value
        for (name, labels), value in samples(http).items()
        if ("run", run) in labels
    }
    for name, weight in status["references"].items():
        assert shown["bots_run_reference_weight", name] == weight["weight"]
        assert shown["bots_run_reference_weight_sd", name] == weight["sd"]
    for name in ("scatter", "scatter_bare", "task_drift", "level_drift", "domain_spread"):
        assert shown[f"bots_run_{name}", None] > 0
    history = http.get(f"/runs/{run}/history").json()
    assert history["points"][-1]["capability"] == status["capability"]
    schema = http.get("/openapi.json").json()["components"]["schemas"]
    assert schema["Rasch"]["properties"]["references"]["description"].startswith(
        "The references that it reads"
    )


def test_a_training_with_bots_goes_on_with_rasch(http: httpx.Client, pool: str) -> None:
    parent = made(http, pool, posterior={"type": "bots"})
    for step in range(4):
        selection = select(http, parent, 3)
        report(http, parent, selection["selection"], [seen(task, step, 4) for task in selection["tasks"]])
    fork = made(http, pool, fork={"run": parent, "step": 3})
    status = http.get(f"/runs/{fork}").json()
    assert (status["step"], status["config"]["posterior"]["references"]) == (3, ["weak", "strong"])
    body = {"pool": pool, "posterior": {"type": "rasch"}, "fork": {"run": parent, "step": 3}}
    assert http.put(f"/runs/{fork}", json=body).status_code == 200
    selection = select(http, fork, 3)
    report(http, fork, selection["selection"], [seen(task, 4, 4) for task in selection["tasks"]])
    assert http.get(f"/runs/{fork}").json()["step"] == 4

    # What it took over counts as if it had been there from the beginning.
    again = made(http, pool)
    for event in [event for event in events(http, fork) if event["type"] == "committed"]:
        rows = [row for rows in event["outcomes"].values() for row in rows]
        ids = next(
            each["tasks"]
            for each in events(http, fork)
            if each["type"] == "selected" and each["selection"] in event["outcomes"]
        )
        commit(http, again, str(event["seq"]), {ids[place]: (passed, tried) for place, passed, tried in rows})
    for one, other in zip(posteriors(http, fork), posteriors(http, again), strict=True):
        assert (one["mu"], one["sigma"]) == (other["mu"], other["sigma"])
