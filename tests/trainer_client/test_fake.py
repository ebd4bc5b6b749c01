"""What the fake has beyond the contract: its clock, its switches, its look inside."""

from types import SimpleNamespace

import httpx
import pytest

from trainer_client import FakeSelector, SelectorClient, Unauthorized
from trainer_client._fake_posterior import FakePosterior


@pytest.fixture
def http(fake: FakeSelector) -> httpx.Client:
    return httpx.Client(base_url="http://selector", transport=fake.transport)


@pytest.fixture
def client(fake: FakeSelector) -> SelectorClient:
    return SelectorClient("http://selector", run="run", transport=fake.transport)


def test_a_lease_ends_by_the_clock_and_frees_its_tasks(client: SelectorClient, fake: FakeSelector):
    client.select(20)
    fake.advance(3600)
    selection = client.select(20)
    assert selection.expires_at is not None
    assert selection.expires_at.timestamp() == fake.now + 3600
    assert client.run_status().selections.released == 1
    assert [event["type"] for event in client.events()][-2:] == ["released", "selected"]


def test_a_lease_that_ends_with_something_reported_commits(client: SelectorClient, fake: FakeSelector):
    selection = client.select(2)
    client.report(selection, {selection.tasks[0]: [1, 0]})
    assert fake.evidence("run") == {}
    fake.advance(3600)
    assert client.run_status().step == 1
    late = client.report(selection, {selection.tasks[1]: [1]})
    assert (late.committed, late.step) == (True, 2)
    assert fake.evidence("run") == {selection.tasks[0]: (1, 2), selection.tasks[1]: (1, 1)}
    assert [event.get("reason") for event in client.events()][-2:] == ["lease", "late"]


def test_the_seed_settles_the_draws():
    def tasks(seed: int) -> list[str]:
        fake = FakeSelector.with_run("run", map(str, range(100)), seed=seed)
        return SelectorClient("http://s", run="run", transport=fake.transport).select(10).tasks

    assert tasks(1) == tasks(1) != tasks(2)


def test_down_and_up(http: httpx.Client, fake: FakeSelector):
    fake.down()
    with pytest.raises(httpx.ConnectError):
        http.get("/pools/pool")
    fake.up()
    assert http.get("/pools/pool").status_code == 200


def test_the_next_calls_fail_unprocessed(http: httpx.Client, fake: FakeSelector):
    fake.fail_next(2, status=503, retry_after="3")
    fake.fail_next()
    for _ in range(2):
        answer = http.delete("/runs/run")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "3")
        assert answer.headers["Content-Type"] == "application/problem+json"
    with pytest.raises(httpx.ReadError):
        http.delete("/runs/run")
    assert http.delete("/runs/run").status_code == 204


def test_a_lost_reply_is_of_a_processed_call(http: httpx.Client, fake: FakeSelector):
    fake.lose_replies()
    with pytest.raises(httpx.ReadError):
        http.delete("/runs/run")
    assert http.get("/runs/run").json()["code"] == "unknown-run"


def test_a_token_is_asked_for():
    fake = FakeSelector(token="bots_secret")
    with pytest.raises(Unauthorized):
        SelectorClient("http://s", token="bots_other", transport=fake.transport).pool("p")


def test_it_keeps_the_requests(client: SelectorClient, fake: FakeSelector):
    client.select(1)
    assert [(request.method, request.url.path) for request in fake.requests] == [("POST", "/select")]


def test_parquet_is_not_given(http: httpx.Client):
    answer = http.get("/runs/run/posteriors", headers={"Accept": "application/vnd.apache.parquet"})
    assert (answer.status_code, answer.json()["code"]) == (406, "not-acceptable")


def test_parquet_is_not_taken(http: httpx.Client):
    headers = {"Content-Type": "application/vnd.apache.parquet"}
    answer = http.post("/pools/pool/tasks", content=b"PAR1", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


@pytest.mark.parametrize("what", ["insight", "visits", "cost"])
def test_what_it_does_not_compute_it_refuses_by_name(http: httpx.Client, what: str):
    answer = http.get(f"/runs/run/{what}", params={"task": "task-0"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert f"the fake computes no {what}" in answer.json()["detail"]


def test_an_unknown_address_is_a_problem(http: httpx.Client):
    assert http.get("/nowhere").json()["code"] == "not-found"


def test_a_kind_of_posterior_that_it_does_not_know_has_a_mean_without_parameters():
    posterior = FakePosterior(SimpleNamespace(type="band"))
    posterior.grow(["a"])
    posterior.observe([("a", [3, 4])], forget=True)
    assert posterior.of("a").keys() == {"mean", "sd"}
