"""Every call about pools, runs and leases, by the synchronous client and by its twin."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from trainer_client import (
    AsyncSelectorClient,
    Conflict,
    FakeSelector,
    Fallback,
    InvalidRequest,
    NotFound,
    SelectorClient,
    SelectorUnavailable,
    Task,
)


class Awaited:
    """An asynchronous client that is called as the synchronous one is: whoever calls it waits for the answer."""

    def __init__(self, client: AsyncSelectorClient, runner: asyncio.Runner) -> None:
        self._client, self._runner = client, runner

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._client, name)
        if not callable(attribute):
            return attribute

        def call(*arguments: Any, **named: Any) -> Any:
            answer: Any = attribute(*arguments, **named)
            return self._runner.run(_listed(answer) if hasattr(answer, "__aiter__") else answer)

        return call


async def _listed(rows: AsyncIterator[Any]) -> list[Any]:
    return [row async for row in rows]


@pytest.fixture(params=["synchronous", "asynchronous"])
def client(request: pytest.FixtureRequest, fake: FakeSelector) -> Iterator[SelectorClient]:
    """A client of the run `run` of twenty tasks, over the pool `run`."""
    if request.param == "synchronous":
        with SelectorClient("http://selector", run="run", transport=fake.transport) as client:
            yield client
    else:
        with asyncio.Runner() as runner:
            twin = AsyncSelectorClient("http://selector", run="run", transport=fake.transport)
            yield Awaited(twin, runner)  # pyright: ignore[reportReturnType]
            runner.run(twin.aclose())


@pytest.fixture
def pool(client: SelectorClient) -> str:
    """The name of the run's pool."""
    return client.run_status().config["pool"]


@pytest.mark.parametrize("kind", ["synchronous", "asynchronous"])
def test_tasks_go_from_pool_to_pool_as_parquet(service_url: str, tmp_path: Path, kind: str):
    first, second = (f"parquet-{uuid4().hex}" for _ in range(2))
    file = tmp_path / "tasks.parquet"
    with SelectorClient(service_url) as client, asyncio.Runner() as runner:
        twin = AsyncSelectorClient(service_url)
        either: Any = client if kind == "synchronous" else Awaited(twin, runner)
        client.create_pool(first)
        client.add_tasks(first, [Task(id="a", domain="math", references={"weak": 0.5}), Task(id="b")])
        either.download_tasks(first, file)
        client.create_pool(second)
        for inserted in (2, 0):
            receipt = either.add_parquet(second, [file.read_bytes()])
            assert (receipt.inserted, receipt.unchanged, receipt.tasks) == (inserted, 2 - inserted, 2)
        assert list(client.pool_tasks(second)) == list(client.pool_tasks(first))
        client.delete_pool(first)
        client.delete_pool(second)
        runner.run(twin.aclose())


@pytest.mark.parametrize("kind", ["synchronous", "asynchronous"])
def test_what_the_dashboard_shows_is_told(service_url: str, kind: str):
    name = f"insight-{uuid4().hex}"
    with SelectorClient(service_url, run=name) as client, asyncio.Runner() as runner:
        twin = AsyncSelectorClient(service_url, run=name)
        either: Any = client if kind == "synchronous" else Awaited(twin, runner)
        client.create_pool(name)
        client.add_tasks(name, [Task(id="a"), Task(id="b"), Task(id="c")])
        client.create_run(name, name)
        for passed in (1, 0):
            selection = client.select(3)
            client.report(selection, {task: [passed, 0, 0, 1] for task in selection.tasks})
        told = either.insight(points=1)
        assert (told.run, told.step, len(told.points)) == (name, 2, 1)
        assert [each.code for each in told.advisories][:3] == ["learning", "starving", "honest"]
        task = either.visits("b")
        assert (task.posterior.task, task.posterior.trials, task.since) == ("b", 8, 0)
        assert [each["successes"] for each in task.visits] == [2, 1]
        found = list(either.posteriors(search="b", sort="-streak"))
        assert [row.task for row in found] == ["b"]
        client.delete_run(name)
        client.delete_pool(name)
        runner.run(twin.aclose())


@pytest.mark.parametrize("call", ["insight", "visits"])
def test_the_fake_computes_nothing_of_the_dashboard(client: SelectorClient, call: str):
    with pytest.raises(NotFound, match=f"the fake computes no {call}"):
        client.insight() if call == "insight" else client.visits("task-0")


def test_a_pool_is_filled_listed_and_deleted(client: SelectorClient, pool: str):
    client.create_pool("another")
    receipt = client.add_tasks(
        "another", [Task(id="a", domain="math", references={"weak": 0.5}), Task(id="b")]
    )
    assert (receipt.inserted, receipt.unchanged, receipt.tasks) == (2, 0, 2)
    assert client.pool("another").domains == {"math": 1, "default": 1}
    assert {row.pool: row.tasks for row in client.pools()} == {"another": 2, pool: 20}
    rows = [(row.id, row.domain, row.references) for row in client.pool_tasks("another")]
    assert rows == [("a", "math", {"weak": 0.5}), ("b", "default", {})]
    client.delete_pool("another")
    assert [row.pool for row in client.pools()] == [pool]
    with pytest.raises(Conflict):
        client.delete_pool(pool)


def test_tasks_are_taken_out_of_a_pool_and_of_a_run_and_brought_back(client: SelectorClient, pool: str):
    client.retire(pool, ["task-0", "task-1"])
    client.exclude(iter(["task-1", "task-2"]))
    assert client.run_status().excluded == 3
    assert [row.id for row in client.pool_tasks(pool) if row.retired] == ["task-0", "task-1"]
    assert set(client.select(17).tasks).isdisjoint({"task-0", "task-1", "task-2"})
    client.restore(pool, ["task-0", "task-1"])
    client.include(["task-2"], "run")
    assert client.select(2).tasks
    assert client.run_status().excluded == 1


def test_a_run_is_made_changed_listed_and_deleted(client: SelectorClient, pool: str):
    made = client.create_run("other", pool, seed=7, commit={"outcomes": 4}, policy={"type": "random"})
    assert (made.config["seed"], made.config["commit"]) == (7, {"outcomes": 4})
    changed = client.patch_run("other", lease_seconds=60, share_leased=True)
    assert (changed.config["lease_seconds"], changed.config["share_leased"]) == (60, True)
    with pytest.raises(ValueError, match="nothing to change"):
        client.patch_run("other")
    assert [row.run for row in client.runs()] == ["other", "run"]
    client.delete_run("other")
    assert [row.run for row in client.runs(pool)] == ["run"]


def test_a_run_goes_on_from_an_earlier_step_under_another_posterior(client: SelectorClient):
    for step in range(2):
        selection = client.select(2, key=f"step-{step}")
        client.report(selection, {task: [1, 0] for task in selection.tasks})
    fork = client.fork_run("fork", step=1, posterior={"type": "bots", "forgetting": 0.5})
    assert (fork.step, fork.config["posterior"]["forgetting"]) == (1, 0.5)
    assert client.fork_run("whole").step == 2
    assert client.run_status().step == 2


@pytest.mark.parametrize("kind", ["synchronous", "asynchronous"])
def test_a_fork_may_have_other_implicit_evidence(service_url: str, kind: str):
    name = f"implicit-{uuid4().hex}"
    implicit = {"type": "interpolation", "weak": "weak", "strong": "strong", "smoothing": 0.9}
    with SelectorClient(service_url, name) as client, asyncio.Runner() as runner:
        twin = AsyncSelectorClient(service_url, name)
        either: Any = client if kind == "synchronous" else Awaited(twin, runner)
        client.create_pool(name)
        client.add_tasks(name, [Task(id="a", references={"weak": 0.2, "strong": 0.8})])
        client.create_run(name, name, posterior={"type": "bots", "forgetting": 0.25})
        posterior = client.run_status().config["posterior"]
        either.fork_run(f"{name}-2", implicit=implicit)
        assert client.run_status(f"{name}-2").config["posterior"] == {**posterior, "implicit": implicit}
        either.fork_run(f"{name}-3", f"{name}-2", implicit={"type": "none"})
        assert client.run_status(f"{name}-3").config["posterior"] == posterior
        either.fork_run(f"{name}-4", posterior={"type": "bots", "forgetting": 0.5}, implicit=implicit)
        assert client.run_status(f"{name}-4").config["posterior"]["implicit"] == implicit
        runner.run(twin.aclose())


def test_a_lease_is_kept_and_given_back(client: SelectorClient):
    selection = client.select(20)
    kept = client.renew(selection, 9000)
    assert kept.selection == selection.selection
    assert kept.expires_at != selection.expires_at
    client.release(kept)
    client.release(selection.selection)
    assert client.select(20).selection != selection.selection


@pytest.mark.parametrize("kind", ["synchronous", "asynchronous"])
def test_what_the_fallback_drew_has_no_lease_to_be_kept_or_given_back(
    fake: FakeSelector, tmp_path: Path, kind: str
):
    fake.down()
    given: dict[str, Any] = {"run": "run", "max_retries": 0, "fallback": Fallback(["task-1"], tmp_path)}
    with SelectorClient("http://selector", transport=fake.transport, **given) as client:
        selection = client.select(1)
    assert selection.fallback
    fake.up()
    with SelectorClient("http://selector", transport=fake.transport) as client, asyncio.Runner() as runner:
        twin = AsyncSelectorClient("http://selector", transport=fake.transport)
        either: Any = client if kind == "synchronous" else Awaited(twin, runner)
        assert either.renew(selection, 60) == selection
        assert either.release(selection) is None
        runner.run(twin.aclose())


def test_selections_are_listed_by_what_became_of_them(client: SelectorClient):
    first, second, third = (client.select(2, key=key) for key in "abc")
    client.report(first, {task: [1] for task in first.tasks})
    client.release(second)
    assert [row.selection for row in client.selections()] == [
        each.selection for each in (first, second, third)
    ]
    ended = (("committed", first, "a"), ("released", second, "b"), ("open", third, "c"))
    for status, selection, key in ended:
        (row,) = client.selections(status, "run")
        assert (row.selection, row.status, row.key) == (selection.selection, status, key)


def test_the_course_of_a_run_is_told(client: SelectorClient):
    for _ in range(3):
        selection = client.select(2)
        client.report(selection, {task: [1, 0] for task in selection.tasks})
    history = client.history(points=2)
    assert (history.run, len(history.points) <= 2) == ("run", True)


def test_evaluations_inform_and_are_no_step(client: SelectorClient):
    receipt = client.report_evaluation("at-100", {"task-0": [1, 0, 0, 1]})
    assert (receipt.accepted, receipt.step) == (1, 0)
    (row,) = client.posteriors(task="task-0")
    assert (row.alpha, row.beta) == (3, 3)
    receipt = client.report_unsolicited("other", {"task-1": [1]})
    assert (receipt.accepted, receipt.step) == (1, 1)


def test_what_is_wrong_is_refused(client: SelectorClient, pool: str):
    with pytest.raises(InvalidRequest):
        client.create_run("third", pool, policy={"type": "nothing"})
    with pytest.raises(NotFound):
        client.run_status("nobody")


@pytest.mark.parametrize("kind", ["synchronous", "asynchronous"])
def test_an_answer_that_cannot_be_decoded_is_none(kind: str):
    def broken(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip"))

    transport, given = httpx.MockTransport(broken), {"run": "run", "max_retries": 0}
    with SelectorClient("http://s", transport=transport, **given) as client, asyncio.Runner() as runner:
        twin = AsyncSelectorClient("http://s", transport=transport, **given)
        either: Any = client if kind == "synchronous" else Awaited(twin, runner)
        for call in (lambda: either.select(1), lambda: list(either.events())):
            with pytest.raises(SelectorUnavailable, match=r"no answer .DecodingError: "):
                call()
        runner.run(twin.aclose())
