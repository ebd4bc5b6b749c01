"""Going back: a run that begins with the evidence of another one, until a step of it."""

from __future__ import annotations

import httpx

from tests.web.calls import assert_problem, events, fresh_name, report, seen, select


def trained(http: httpx.Client, pool: str, steps: int, **config: object) -> str:
    run = fresh_name("run")
    assert http.put(f"/runs/{run}", json={"pool": pool, **config}).status_code == 201
    for step in range(steps):
        selection = select(http, run, 3, key=f"step-{step}")
        report(http, run, selection["selection"], [seen(task, step % 3) for task in selection["tasks"]])
    return run


def posteriors(http: httpx.Client, run: str) -> list[tuple[str, float, float]]:
    rows = http.get(f"/runs/{run}/posteriors").json()["posteriors"]
    return [(row["task"], row["alpha"], row["beta"]) for row in rows]


def test_a_trainer_goes_on_from_an_earlier_step_with_other_outcomes(http: httpx.Client, pool: str) -> None:
    run = trained(http, pool, 2, seed=3)
    at_two = posteriors(http, run)
    for step in range(2, 5):
        selection = select(http, run, 3, key=f"step-{step}")
        report(http, run, selection["selection"], [seen(task) for task in selection["tasks"]])
    before = http.get(f"/runs/{run}").json()

    new = fresh_name("run")
    body = {"pool": pool, "seed": 3, "fork": {"run": run, "step": 2}}
    made = http.put(f"/runs/{new}", json=body)
    assert made.status_code == 201, made.text
    assert made.json()["parent"] == {"run": run, "step": 2}
    assert posteriors(http, new) == at_two
    selection = select(http, new, 3, key="step-2")
    receipt = report(http, new, selection["selection"], [seen(task, 2) for task in selection["tasks"]])
    assert (receipt["accepted"], receipt["duplicates"], receipt["step"]) == (3, 0, 3)
    assert http.put(f"/runs/{new}", json=body).status_code == 200
    assert http.put(f"/runs/{new}", json={"pool": pool, "seed": 3}).status_code == 200
    assert http.get(f"/runs/{run}").json() == before
    first = events(http, new)[0]
    assert (first["type"], first["parent"]) == ("created", {"run": run, "step": 2})


def test_a_fork_from_elsewhere_is_another_run(http: httpx.Client, pool: str) -> None:
    run, new = trained(http, pool, 2), fresh_name("run")
    http.put(f"/runs/{new}", json={"pool": pool, "fork": {"run": run, "step": 1}})
    other = http.put(f"/runs/{new}", json={"pool": pool, "fork": {"run": run, "step": 2}})
    problem = assert_problem(other, 409, "run-conflict")
    assert "fork.step is 1 there and 2 was sent" in problem["detail"]


def test_a_fork_is_refused_in_plain_words(http: httpx.Client, pool: str) -> None:
    run, path = trained(http, pool, 1), f"/runs/{fresh_name('run')}"
    beyond = http.put(path, json={"pool": pool, "fork": {"run": run, "step": 9}})
    assert "fork.step" in assert_problem(beyond, 422, "invalid-request")["detail"]
    assert_problem(http.put(path, json={"pool": pool, "fork": {"run": "nobody"}}), 404, "unknown-run")
    elsewhere = fresh_name("pool")
    http.put(f"/pools/{elsewhere}")
    refused = http.put(path, json={"pool": elsewhere, "fork": {"run": run}})
    assert elsewhere in assert_problem(refused, 422, "invalid-request")["detail"]
    assert_problem(http.get(path), 404, "unknown-run")
