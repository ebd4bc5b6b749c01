from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from selector_api.core.config import RunConfig
from selector_api.store.embedded_valkey import EmbeddedValkey
from selector_api.store.errors import StoreUnavailable
from selector_api.store.keys import run_keys
from selector_api.store.store import Store, open_store
from selector_api.web.run_metrics import MAX_DOMAINS, RunMetrics
from tests.cluster.kinds import client_of
from tests.service import Service
from tests.web.calls import TASKS, add_tasks, events, fresh_name, report, samples, seen, select


def of_run(http: httpx.Client, run: str) -> dict[str, float]:
    """What /metrics tells of a run: `name` or `name other-label's-value`."""
    return {
        " ".join([name, *(value for label, value in sorted(labels) if label != "run")]): value
        for (name, labels), value in samples(http).items()
        if ("run", run) in labels
    }


def runs_shown(http: httpx.Client) -> set[str]:
    return {dict(labels)["run"] for name, labels in samples(http) if name == "bots_run_step"}


@pytest.fixture
def guided(http: httpx.Client, pool: str) -> str:
    """A run with implicit evidence."""
    name = fresh_name("run")
    implicit = {"type": "interpolation", "weak": "weak", "strong": "strong"}
    assert http.put(f"/runs/{name}", json={"pool": pool, "implicit": implicit}).status_code == 201
    return name


def test_a_run_is_shown_as_it_stands(http: httpx.Client, guided: str) -> None:
    selection = select(http, guided, 4)
    successes = [0, 1, 2, 1]
    outcomes = [seen(task, s, 2) for task, s in zip(selection["tasks"], successes, strict=True)]
    report(http, guided, selection["selection"], outcomes)
    report(http, guided, select(http, guided, 2)["selection"], [], final=True)
    select(http, guided, 2)
    view = http.get(f"/runs/{guided}").json()
    shown = of_run(http, guided)
    for moment in ("bots_run_last_commit_timestamp_seconds", "bots_run_read_timestamp_seconds"):
        assert abs(shown.pop(moment) - time.time()) < 60
    assert shown.pop("bots_run_domain_effective_task_ratio algebra") == view["etr"]["by_domain"]["algebra"]
    assert shown.pop("bots_run_domain_effective_task_ratio sets") == view["etr"]["by_domain"]["sets"]
    assert shown.pop("bots_run_capability algebra") == view["capability"]["algebra"]
    assert shown.pop("bots_run_capability sets") == view["capability"]["sets"]
    assert shown == {
        "bots_run_step": 1,
        "bots_run_tasks": 10,
        "bots_run_never_selected_ratio": view["never_selected"] / 10,
        "bots_run_open_leases": 1,
        "bots_run_selections_closed_total committed": 1,
        "bots_run_selections_closed_total released": 1,
        "bots_run_leases_expired_total": 0,
        "bots_run_rewound_total": 0,
        "bots_run_cooling_tasks": 2,
        "bots_run_effective_task_ratio": 0.5,
        "bots_run_log_events": 6,
        "bots_run_events_since_snapshot": 6,
    }


@pytest.mark.parametrize(
    ("posterior", "more"),
    [
        ({"type": "bots", "implicit": {"type": "interpolation", "weak": "weak", "strong": "strong"}}, 0),
        ({"type": "rasch", "references": []}, 5),
        ({"type": "rasch", "references": ["weak", "strong"]}, 5 + 2 * 2),
    ],
)
def test_there_are_as_many_series_as_the_settings_say(
    http: httpx.Client, pool: str, posterior: dict[str, Any], more: int
) -> None:
    """By these an operator counts what all runs make together: see `metrics_runs`."""
    run = fresh_name("run")
    http.put(f"/runs/{run}", json={"pool": pool, "posterior": posterior}).raise_for_status()
    selection = select(http, run, 10)
    report(http, run, selection["selection"], [seen(task, 1, 2) for task in selection["tasks"]])
    domains = len(http.get(f"/pools/{pool}").json()["domains"])
    assert len(of_run(http, run)) == 14 + more + 2 * domains
    selection = select(http, run, 1, policy_version=3)
    outcomes = [seen(task, 1, 2) for task in selection["tasks"]]
    report(http, run, selection["selection"], outcomes, policy_version=3)
    assert len(of_run(http, run)) == 15 + more + 2 * domains


def test_what_is_not_known_yet_is_not_shown(http: httpx.Client, run: str) -> None:
    http.get(f"/runs/{run}")
    shown = of_run(http, run)
    assert shown["bots_run_step"] == 0
    assert "bots_run_effective_task_ratio" not in shown
    assert not [name for name in shown if "capability" in name]


def test_before_the_first_commit_the_evidence_is_as_old_as_the_run(http: httpx.Client, run: str) -> None:
    created = events(http, run)[0]["at"]
    select(http, run)
    assert of_run(http, run)["bots_run_last_commit_timestamp_seconds"] == created / 1000


def test_leases_that_end_are_counted_with_evidence_and_without(
    service: Service, http: httpx.Client, run: str
) -> None:
    report(http, run, select(http, run)["selection"], [], final=True)
    part, nothing = select(http, run), select(http, run)
    report(http, run, part["selection"], [seen(part["tasks"][0])])
    assert of_run(http, run)["bots_run_leases_expired_total"] == 0
    with closing(client_of(service.redis_url)) as redis:
        redis.zadd(run_keys(run).leases, {part["selection"]: 1, nothing["selection"]: 1}, xx=True)
    shown = of_run(http, run)
    assert shown["bots_run_leases_expired_total"] == 2
    assert shown["bots_run_selections_closed_total committed"] == 1
    assert shown["bots_run_selections_closed_total released"] == 2


def test_a_run_that_cannot_be_read_is_left_out_until_it_is_called_again(
    service: Service, http: httpx.Client, run: str
) -> None:
    select(http, run)
    with closing(client_of(service.redis_url)) as redis:
        redis.rpush(run_keys(run).log, '{"type":"novelty","at":1}')
        for _ in range(2):
            assert run not in runs_shown(http)
        redis.rpop(run_keys(run).log)
    assert service.log().count(f"the metrics of run {run} are left out") == 1
    assert run not in runs_shown(http)
    select(http, run)
    assert run in runs_shown(http)


def test_a_run_without_tasks_is_shown_too(http: httpx.Client) -> None:
    pool, run = fresh_name("pool"), fresh_name("run")
    http.put(f"/pools/{pool}", json={})
    http.put(f"/runs/{run}", json={"pool": pool})
    assert of_run(http, run)["bots_run_tasks"] == 0


def test_a_run_that_was_deleted_is_not_shown(http: httpx.Client, run: str) -> None:
    assert run in runs_shown(http)
    assert http.delete(f"/runs/{run}").status_code == 204
    assert run not in runs_shown(http)


def test_only_the_first_domains_are_shown(http: httpx.Client) -> None:
    pool, run = fresh_name("pool"), fresh_name("run")
    http.put(f"/pools/{pool}", json={})
    tasks = [
        {"id": f"{number}", "domain": f"d{number:03}", "references": {"weak": 0.1, "strong": 0.9}}
        for number in range(MAX_DOMAINS + 5)
    ]
    add_tasks(http, pool, tasks)
    implicit = {"type": "interpolation", "weak": "weak", "strong": "strong"}
    http.put(f"/runs/{run}", json={"pool": pool, "implicit": implicit})
    selection = select(http, run, len(tasks))
    report(http, run, selection["selection"], [seen(task["id"]) for task in tasks])
    shown = [name for name in of_run(http, run) if name.startswith("bots_run_capability ")]
    assert shown == [f"bots_run_capability d{number:03}" for number in range(MAX_DOMAINS)]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Two services on one Valkey, which show one run each and write a snapshot every four events."""
    environment = {"SELECTOR_METRICS_RUNS": "1", "SELECTOR_SNAPSHOT_EVERY": "4"}
    first = Service(tmp_path_factory.mktemp("first"), environment=environment)
    second = Service(tmp_path_factory.mktemp("second"), first.redis_url, environment)
    for service in (first, second):
        service.start()
    with httpx.Client(base_url=first.url) as one, httpx.Client(base_url=second.url) as other:
        assert one.put("/pools/p", json={}).status_code == 201
        assert add_tasks(one, "p", TASKS).status_code == 200
        yield one, other
    for service in (second, first):
        assert service.stop() == 0, service.log()


@pytest.mark.slow
def test_the_run_used_last_is_shown_if_there_is_room_for_one(
    pair: tuple[httpx.Client, httpx.Client],
) -> None:
    http, other = pair
    for run in ("a", "b"):
        http.put(f"/runs/{run}", json={"pool": "p"})
    assert runs_shown(http) == {"b"}
    select(http, "a", 1)
    assert runs_shown(http) == {"a"}
    assert samples(http)["bots_runs_held", frozenset()] == 2
    assert runs_shown(other) == set()


def test_a_process_that_only_takes_reports_shows_their_run(pair: tuple[httpx.Client, httpx.Client]) -> None:
    http, other = pair
    http.put("/runs/reported", json={"pool": "p"})
    selection = select(http, "reported", 1)
    report(other, "reported", selection["selection"], [seen(task) for task in selection["tasks"]])
    assert runs_shown(other) == {"reported"}


def test_a_process_shows_what_others_did_to_a_run(pair: tuple[httpx.Client, httpx.Client]) -> None:
    http, other = pair
    http.put("/runs/shared", json={"pool": "p"})
    other.get("/runs/shared")
    for _ in range(3):
        selection = select(http, "shared", 1)
        report(http, "shared", selection["selection"], [seen(task) for task in selection["tasks"]])
    shown = of_run(other, "shared")
    assert (shown["bots_run_step"], shown["bots_run_log_events"]) == (3, 7)
    deadline = time.monotonic() + 30
    while of_run(other, "shared")["bots_run_events_since_snapshot"] > 4:  # it is written beside the calls
        assert time.monotonic() < deadline
    mine = of_run(http, "shared")
    assert mine["bots_run_step"] == 3


@pytest.mark.slow
def test_metrics_are_shown_while_redis_is_away(tmp_path: Path) -> None:
    owner = Service(tmp_path / "owner").start()
    service = Service(tmp_path / "service", owner.redis_url).start()
    with httpx.Client(base_url=service.url, timeout=30) as http:
        http.put("/pools/p", json={})
        add_tasks(http, "p", TASKS)
        http.put("/runs/r", json={"pool": "p"})
        select(http, "r")
        before = of_run(http, "r")
        assert before["bots_run_open_leases"] == 1
        assert owner.stop() == 0, owner.log()
        assert http.get("/readyz").status_code == 503
        assert of_run(http, "r") == before
        assert samples(http)[
            "bots_requests_total",
            frozenset({("route", "/readyz"), ("method", "GET"), ("status", "503")}),
        ]
    assert service.stop() == 0, service.log()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store with a run `r`, which was read."""
    async with EmbeddedValkey(tmp_path) as valkey, open_store(valkey.url) as opened:
        await opened.pools.create("p")
        await opened.runs.create("r", RunConfig("p"))
        await opened.live_runs.of("r")
        yield opened


async def read_at(metrics: RunMetrics) -> float:
    """When a scrape says that it last read the run."""
    await metrics.refresh()
    (family,) = [family for family in metrics.collect() if family.name == "bots_run_read_timestamp_seconds"]
    (sample,) = family.samples
    return sample.value


@pytest.mark.slow
@pytest.mark.anyio
async def test_what_cannot_be_read_now_is_shown_with_the_time_it_was_read(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_: str) -> int:
        raise StoreUnavailable("away")

    metrics = RunMetrics(store, limit=1)
    before = await read_at(metrics)
    for failures in (1, 2):
        with monkeypatch.context() as patch:
            patch.setattr(store.snapshots, "seq", fail)
            assert [await read_at(metrics) for _ in range(3)] == [before] * 3
        assert caplog.text.count("the metrics of run r stay as they are: away") == failures
        now = await read_at(metrics)
        assert now > before
        before = now
