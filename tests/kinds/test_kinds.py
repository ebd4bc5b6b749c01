"""A kind of posterior, or a policy, is one file and its name in a registry: nothing else knows that it is there.

`band` and `hardest` stand in this folder; `serve` starts a service that has them. Everything here goes over HTTP.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from tests.service import Service
from tests.web.calls import add_tasks, assert_problem, events, fresh_name, report, samples, seen, select

PARQUET = "application/vnd.apache.parquet"
TASKS = [
    {"id": f"{domain}-{number}", "domain": domain, "references": references}
    for domain in ("algebra", "sets")
    for number, references in enumerate(({"a": 0.1, "b": 0.9}, {"a": 0.1}, {"b": 0.9}, {}, {"a": 0.1}))
]
"""In each domain four classes by two references, each of which may be missing: the second and last are alike."""
BAND = {"type": "band", "reads": ["a", "b"], "width": 0.2}
ROW = ["task", "mean", "sd", "low", "high", "selected", "last_step"]
ROW += ["domain", "successes", "trials", "dropped", "excluded", "references", "streak"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    environment = {"SELECTOR_SNAPSHOT_EVERY": "4"}
    service = Service(tmp_path_factory.mktemp("kinds"), environment=environment, module="tests.kinds.serve")
    yield service.start()
    assert service.stop() == 0, service.log()


@pytest.fixture(scope="module")
def http(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=60) as client:
        yield client


@pytest.fixture
def pool(http: httpx.Client) -> str:
    name = fresh_name("pool")
    http.put(f"/pools/{name}").raise_for_status()
    add_tasks(http, name, TASKS).raise_for_status()
    return name


def made(http: httpx.Client, pool: str, **config: Any) -> str:
    run = fresh_name("run")
    answer = http.put(f"/runs/{run}", json={"pool": pool, **config})
    assert answer.status_code == 201, answer.text
    return run


def rows_of(http: httpx.Client, run: str) -> list[dict[str, Any]]:
    return http.get(f"/runs/{run}/posteriors").raise_for_status().json()["posteriors"]


def test_they_are_configured_like_any_other(http: httpx.Client, pool: str) -> None:
    run = made(http, pool, posterior=BAND, policy={"type": "hardest", "domains": {"sets": 1}})
    config = http.get(f"/runs/{run}").json()["config"]
    assert (config["posterior"], config["policy"]) == (BAND, {"type": "hardest", "domains": {"sets": 1.0}})
    assert http.put(f"/runs/{run}", json=config).status_code == 200
    assert events(http, run)[0]["config"] == config
    for wrong, code, detail in (
        (
            {"posterior": {"width": 0.2}},
            "invalid-request",
            "posterior: type must be one of 'bots', 'rasch', 'band'",
        ),
        ({"posterior": BAND | {"width": 2}}, "invalid-request", "posterior.width: "),
        ({"posterior": BAND | {"reads": ["c"]}}, "unknown-reference", "posterior.reads[0]: "),
        ({"policy": {"type": "easiest"}}, "invalid-request", "'easy-to-hard', 'hardest'"),
        ({"policy": {"type": "hardest", "domains": {"x": 1}}}, "unknown-domain", "policy.domains"),
    ):
        answer = http.put(f"/runs/{fresh_name('run')}", json={"pool": pool, **wrong})
        assert detail in assert_problem(answer, 422, code)["detail"]
    schemas = http.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["Band"]["properties"]["width"]["description"] == "How unsure one is of a pass rate"
    assert schemas["RunConfig"]["properties"]["policy"]["discriminator"]["mapping"]["hardest"]


def test_a_run_that_names_no_policy_gets_the_one_that_its_posterior_goes_with(
    http: httpx.Client, pool: str
) -> None:
    run = made(http, pool, posterior=BAND)
    assert http.get(f"/runs/{run}").json()["config"]["policy"] == {"type": "hardest"}
    assert http.put(f"/runs/{run}", json={"pool": pool, "posterior": BAND}).status_code == 200
    for policy in ({}, {"posterior": {"type": "bots"}}):
        run = made(http, pool, **policy)
        assert http.get(f"/runs/{run}").json()["config"]["policy"]["type"] == "thompson"


@pytest.mark.parametrize(
    "policy",
    [{"type": "thompson"}, {"type": "posterior-mean", "temperature": 0.1}, {"type": "signal", "power": 2}],
)
def test_a_posterior_serves_the_policies_that_there_are(
    http: httpx.Client, pool: str, policy: dict[str, Any]
) -> None:
    run = made(http, pool, posterior=BAND, policy=policy)
    for _ in range(3):
        selection = select(http, run, 4)
        report(http, run, selection["selection"], [seen(task, 0, 4) for task in selection["tasks"]])
    assert http.get(f"/runs/{run}").json()["step"] == 3


def test_a_policy_serves_the_posteriors_that_there_are(http: httpx.Client, pool: str) -> None:
    run = made(http, pool, policy={"type": "hardest"})
    first = select(http, run, 2)
    report(http, run, first["selection"], [seen(first["tasks"][0], 0, 9), seen(first["tasks"][1], 9, 9)])
    assert select(http, run, 1)["tasks"] == first["tasks"][:1]


def test_a_run_goes_its_whole_way(http: httpx.Client, service: Service, pool: str) -> None:
    run = made(http, pool, posterior=BAND, policy={"type": "hardest", "domains": {"sets": 1}})

    # Select, explain, report: of each class the pass rate so far, (passed + 1) / (tried + 2).
    selection = select(http, run, 5, explain=True)
    assert sorted(selection["tasks"]) == [f"sets-{number}" for number in range(5)]
    row = {"mean": 0.5, "sd": pytest.approx(0.2 / 12**0.5), "draw": 0.5, "low": 0.4, "high": 0.6}
    row["informative"] = pytest.approx(1 - 2 * (0.6**17 - 0.4**17) / (17 * 0.2), rel=1e-6)
    assert selection["explain"] == [{"task": task, **row} for task in selection["tasks"]]
    outcomes = [seen(f"sets-{number}", successes, 4) for number, successes in enumerate([4, 2, 1, 0, 4])]
    assert report(http, run, selection["selection"], outcomes)["step"] == 1
    means = {"sets-0": 5 / 6, "sets-1": 7 / 10, "sets-2": 2 / 6, "sets-3": 1 / 6, "sets-4": 7 / 10}
    hardest = select(http, run, 3, explain=True)
    assert [row["task"] for row in hardest["explain"]][:2] == ["sets-3", "sets-2"]
    assert [row["draw"] for row in hardest["explain"]] == [
        pytest.approx(mean) for mean in (1 / 6, 2 / 6, 0.7)
    ]

    # Exports: the parameters by name, in JSON and in Parquet.
    rows = rows_of(http, run)
    assert [list(row) for row in rows] == [ROW] * 10
    assert {row["task"]: row["mean"] for row in rows if row["last_step"]} == pytest.approx(means)
    band = {"mean": 0.7, "low": 0.6, "high": 0.8}
    assert {name: rows[-1][name] for name in band} == pytest.approx(band)
    file = pq.read_table(io.BytesIO(http.get(f"/runs/{run}/posteriors", headers={"Accept": PARQUET}).content))
    assert (file.column_names, file.to_pylist(maps_as_pydicts="strict")) == (ROW, rows)

    # Status and metrics.
    assert http.get(f"/runs/{run}").json()["capability"] == {"algebra": None, "sets": 11 / 20}
    shown = {name: value for (name, labels), value in samples(http).items() if ("run", run) in labels}
    assert (shown["bots_run_capability"], shown["bots_run_band_width"]) == (11 / 20, 0.2)
    trials = {
        dict(labels)["domain"]: value
        for (name, labels), value in samples(http).items()
        if name == "bots_run_band_trials" and ("run", run) in labels
    }
    assert trials == {"algebra": 0, "sets": 20}

    # Another process begins with the snapshot, draws the same and goes on.
    assert shown["bots_run_log_events"] == 4
    assert samples(http)["bots_run_events_since_snapshot", frozenset({("run", run)})] == 0
    environment = {"SELECTOR_SNAPSHOT_EVERY": "4"}
    cold = Service(
        service.data_dir / "cold", service.redis_url, environment=environment, module="tests.kinds.serve"
    )
    with cold, httpx.Client(base_url=cold.url, timeout=60) as other:
        assert rows_of(other, run) == rows
        report(other, run, hardest["selection"], [], final=True)
        again = select(other, run, 5, key="both")
        assert select(http, run, 5, key="both")["tasks"] == again["tasks"]
        assert rows_of(http, run) == rows_of(other, run)
        assert cold.stop() == 0, cold.log()


def test_a_release_without_them_says_so(service: Service, http: httpx.Client, pool: str) -> None:
    run = made(http, pool, posterior=BAND)
    with Service(service.data_dir / "plain", service.redis_url) as plain:
        answer = httpx.get(f"{plain.url}/runs/{run}")
        assert_problem(answer, 500, "unreadable-data")
        assert "the configuration of run" in plain.log()
