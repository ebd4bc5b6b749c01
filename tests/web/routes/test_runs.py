from __future__ import annotations

import json
from typing import Any
from unittest.mock import Mock

import httpx
import pytest

from selector_api.core.config import RunConfig
from selector_api.store.log_parts import Bookmark, Stretch
from selector_api.store.refusals import UnknownRun
from selector_api.store.runs import Run
from selector_api.web.app_state import AppState
from selector_api.web.routes.run_evidence import get_events
from tests.web.calls import assert_problem, events, fresh_name, report, seen, select

BOTS = {
    "type": "bots",
    "prior": [1.0, 1.0],
    "forgetting": 0.1,
    "implicit_weight": 0.1,
    "rollouts": 16,
    "implicit": {"type": "none"},
}
THOMPSON = {"type": "thompson", "target": 0.5, "temperature": 0.0, "exploration": 0.0}
INTERPOLATION = {"type": "interpolation", "weak": "weak", "strong": "strong", "smoothing": 0.9}


def test_put_makes_a_run_once(http: httpx.Client, pool: str) -> None:
    path = f"/runs/{fresh_name('run')}"
    made = http.put(path, json={"pool": pool})
    assert made.status_code == 201
    assert made.json() == {
        "run": path.removeprefix("/runs/"),
        "config": {
            "pool": pool,
            "seed": 0,
            "posterior": BOTS,
            "policy": THOMPSON,
            "rewards": {"type": "range", "min": 0.0, "max": 1.0},
            "commit": "selection",
            "lease_seconds": 3600.0,
            "share_leased": False,
        },
        "step": 0,
        "tasks": 10,
        "selections": {"open": 0, "committed": 0, "released": 0, "expired": 0},
        "capability": {"algebra": None, "sets": None},
        "references": {},
        "etr": {
            "last": None,
            "recent": None,
            "by_domain": {"algebra": None, "sets": None},
            "evaluation": None,
        },
        "never_selected": 10,
        "dropped": 0,
        "excluded": 0,
        "calibration": {"groups": 0, "predicted": None, "seen": None, "bins": []},
        "staleness": None,
        "parent": None,
        "rewound": None,
        "warnings": [],
    }
    same = {"pool": pool, "seed": 0, "posterior": {"type": "bots", "prior": [1, 1]}, "lease_seconds": 3600}
    again = http.put(path, json=same)
    assert (again.status_code, again.json()) == (200, made.json())
    assert_problem(http.put(path, json={"pool": pool, "seed": 1}), 409, "run-conflict")
    assert http.get(path).json() == made.json()


@pytest.mark.parametrize(
    "config",
    [
        {"seed": 2**63 - 1, "lease_seconds": 0.5, "share_leased": True},
        {"posterior": BOTS | {"prior": [0.5, 2.0], "forgetting": 1, "implicit_weight": 0, "rollouts": 1}},
        {"posterior": BOTS | {"implicit": INTERPOLATION}},
        {"policy": THOMPSON | {"target": 1, "temperature": 0.1, "exploration": 0.25}},
        {"policy": THOMPSON | {"type": "posterior-mean", "domains": {"algebra": 0.25, "sets": 0.75}}},
        *(
            {"policy": {"type": kind, "domains": {"sets": 1}}}
            for kind in ("random", "sequential", "shuffle", "easy-to-hard")
        ),
    ],
)
def test_every_configuration_is_kept_as_it_was_sent(
    http: httpx.Client, pool: str, config: dict[str, Any]
) -> None:
    path = f"/runs/{fresh_name('run')}"
    view = http.put(path, json={"pool": pool, **config}).json()
    assert {name: view["config"][name] for name in config} == config
    assert http.put(path, json=view["config"]).status_code == 200
    assert len(select(http, view["run"], 4)["tasks"]) == 4


def test_implicit_beside_the_posterior_is_taken_as_release_0_2_took_it(http: httpx.Client, pool: str) -> None:
    path = f"/runs/{fresh_name('run')}"
    body = {"pool": pool, "implicit": INTERPOLATION}
    view = http.put(path, json=body).json()
    assert view["config"]["posterior"] == BOTS | {"implicit": INTERPOLATION}
    assert "implicit" not in view["config"]
    for same in (body, view["config"], view["config"] | body):
        assert http.put(path, json=same).status_code == 200
    twice = {"pool": pool, "implicit": {"type": "none"}, "posterior": BOTS | {"implicit": INTERPOLATION}}
    detail = assert_problem(http.put(path, json=twice), 422, "invalid-request")["detail"]
    assert "implicit and posterior.implicit differ" in detail


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"posterior": {"forgetting": 0.2}}, "posterior: type must be one of 'bots'"),
        ({"policy": {"target": 0.2}}, "policy: type must be one of 'thompson', 'posterior-mean', 'signal', "),
        ({"policy": {"type": "oracle"}}, "policy: type must be one of 'thompson', 'posterior-mean', 'signal', "),
        ({"posterior": {"type": "bots", "implicit": {}}}, "implicit: type must be one of 'interpolation', 'none'"),
        ({"posterior": {"type": "bots", "implicit": INTERPOLATION | {"weak": ""}}}, "posterior.implicit.weak: "),
        ({"posterior": {"type": "bots", "prior": [1.0]}}, "posterior.prior[1]: Field required"),
        ({"posterior": {"type": "bots", "rollouts": 2.5}}, "posterior.rollouts: "),
        ({"posterior": {"type": "bots", "forgetting": "0.1"}}, "posterior.forgetting: "),
        ({"policy": {"type": "random", "random": 1}}, "policy.random: "),
        ({"policy": {"type": "thompson", "domains": {"": 1.0}}}, "policy.domains"),
        ({"share_leased": 1}, "share_leased: "),
        ({"policy": {"type": "random", "domains": {"\ud800": 1.0}}}, "policy.domains[key]: "),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_configuration_is_named_in_plain_words(
    http: httpx.Client, pool: str, body: dict[str, Any], detail: str
) -> None:
    answer = http.put(
        f"/runs/{fresh_name('run')}",
        content=json.dumps({"pool": pool, **body}),
        headers={"Content-Type": "application/json"},
    )
    assert detail in assert_problem(answer, 422, "invalid-request")["detail"]


def test_a_number_may_be_written_with_a_fraction_of_zero(http: httpx.Client, pool: str) -> None:
    body = {"pool": pool, "seed": 7.0, "posterior": {"type": "bots", "rollouts": 16.0, "prior": [1, 2]}}
    config = http.put(f"/runs/{fresh_name('run')}", json=body).json()["config"]
    assert (config["seed"], config["posterior"]["rollouts"], config["posterior"]["prior"]) == (
        7,
        16,
        [1.0, 2.0],
    )


def test_a_configuration_must_name_what_the_pool_has(http: httpx.Client, pool: str) -> None:
    path = f"/runs/{fresh_name('run')}"
    for role in ("weak", "strong"):
        body = {"pool": pool, "implicit": INTERPOLATION | {role: "nobody"}}
        assert (
            f"implicit.{role}"
            in assert_problem(http.put(path, json=body), 422, "unknown-reference")["detail"]
        )
    body = {"pool": pool, "policy": {"type": "random", "domains": {"algebra": 0.5, "nowhere": 0.5}}}
    assert "policy.domains" in assert_problem(http.put(path, json=body), 422, "unknown-domain")["detail"]
    assert_problem(http.put(path, json={"pool": "nobody"}), 404, "unknown-pool")
    assert_problem(http.get(path), 404, "unknown-run")


def test_a_run_tells_where_it_stands(http: httpx.Client, pool: str) -> None:
    run = fresh_name("run")
    policy = {"type": "sequential", "domains": {"algebra": 0.5, "sets": 0.5}}
    http.put(f"/runs/{run}", json={"pool": pool, "implicit": INTERPOLATION, "policy": policy})
    first = select(http, run, 4)
    report(
        http,
        run,
        first["selection"],
        [seen(task, 1 if int(task[-1]) % 2 == 0 else 2) for task in first["tasks"]],
    )
    select(http, run, 2)
    report(http, run, select(http, run, 2)["selection"], [], final=True)
    view = http.get(f"/runs/{run}").json()
    assert (view["step"], view["selections"]) == (1, {"open": 1, "committed": 1, "released": 1, "expired": 1})
    assert view["never_selected"] == 10 - 8
    # Half of the algebra tasks' rollouts passed: half way between 0.25 and 0.75. All of sets' did: beyond.
    assert view["capability"] == pytest.approx({"algebra": 0.5, "sets": 1.5}, rel=1e-4)
    by_domain = {"algebra": 1.0, "sets": 0.0}
    assert view["etr"] == {"last": 0.5, "recent": 0.5, "by_domain": by_domain, "evaluation": None}


def test_events_are_told_from_any_of_them_on(http: httpx.Client, run: str) -> None:
    for step in range(3):
        select(http, run, 1, key=f"step-{step}")
    told = events(http, run)
    assert [event["seq"] for event in told] == [1, 2, 3, 4]
    assert [event["type"] for event in told] == ["created", "selected", "selected", "selected"]
    assert [event.get("key") for event in told[1:]] == ["step-0", "step-1", "step-2"]
    for after in range(5):
        assert events(http, run, after) == told[after:]


def test_there_are_no_events_beyond_the_end(http: httpx.Client, run: str) -> None:
    for after in (1, 2, 2**53):
        assert events(http, run, after) == []


class Log:
    """The log of a run that is deleted, and its name taken by another, once these events were read."""

    def __init__(self, events: list[bytes]) -> None:
        self._stretches = [Stretch(events, 5, None, False)] if events else []

    async def find(self, name: str) -> Run:
        return Run(name, "first", "pool", "first", RunConfig("pool"), 1)

    async def read(self, run: Run, after: Bookmark) -> Stretch | None:
        return self._stretches.pop() if self._stretches else None


@pytest.mark.anyio
async def test_events_break_off_when_their_run_is_replaced() -> None:
    log = Log([b'{"type":"created"}'])
    store = Mock(runs=log, logs=log)
    answer = await get_events("run", AppState(store, Mock(), Mock(), Mock()), 0)
    lines = aiter(answer.body_iterator)
    assert await anext(lines) == b'{"seq":1,"type":"created"}\n'
    with pytest.raises(UnknownRun):
        await anext(lines)
    with pytest.raises(UnknownRun):
        await get_events("run", AppState(Mock(runs=Log([]), logs=Log([])), Mock(), Mock(), Mock()), 0)


def test_a_deleted_run_is_gone_and_its_name_is_free(http: httpx.Client, pool: str, run: str) -> None:
    selection = select(http, run, 2, key="k")
    deleted = http.delete(f"/runs/{run}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    body = {"run": run, "selection": selection["selection"], "outcomes": [seen(selection["tasks"][0])]}
    for answer in (
        http.get(f"/runs/{run}"),
        http.get(f"/runs/{run}/posteriors"),
        http.get(f"/runs/{run}/events"),
        http.delete(f"/runs/{run}"),
        http.post("/select", json={"run": run, "batch_size": 1}),
        http.post("/report", json=body),
    ):
        assert_problem(answer, 404, "unknown-run")
    assert http.put(f"/runs/{run}", json={"pool": pool, "seed": 5}).status_code == 201
    assert not select(http, run, 2, key="k")["replayed"]
    assert_problem(http.post("/report", json=body), 404, "unknown-selection")
