"""The async client is a twin: the same steps, awaited. What they decide is tested with the sync client."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from trainer_client import (
    AsyncSelectorClient,
    BatchTooLarge,
    FakeSelector,
    Fallback,
    InvalidRequest,
    SelectorClient,
    SelectorUnavailable,
    Task,
    Unauthorized,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(fake: FakeSelector) -> AsyncIterator[AsyncSelectorClient]:
    async with AsyncSelectorClient("http://selector", run="run", transport=fake.transport) as client:
        yield client


def test_the_twins_have_the_same_calls_with_the_same_arguments():
    for name, call in inspect.getmembers(SelectorClient, inspect.isfunction):
        if not name.startswith("_") and name != "close":
            twin = inspect.signature(getattr(AsyncSelectorClient, name))
            assert list(twin.parameters.values()) == list(inspect.signature(call).parameters.values()), name


async def test_one_loop_of_a_training(client: AsyncSelectorClient, fake: FakeSelector):
    selection = await client.select(2, key="step-0")
    receipt = await client.report(selection, {task: [1, 0] for task in selection.tasks})
    assert (receipt.accepted, receipt.committed, receipt.step) == (2, True, 1)
    assert fake.evidence("run") == dict.fromkeys(selection.tasks, (1, 2))


async def test_a_lost_reply_costs_nothing(
    client: AsyncSelectorClient, fake: FakeSelector, pauses: list[float]
):
    fake.lose_replies()
    assert (await client.select(3)).replayed
    assert len(pauses) == 1
    assert (await client.run_status()).selections.open == 1


async def test_errors_are_typed(client: AsyncSelectorClient, fake: FakeSelector, pauses: list[float]):
    with pytest.raises(BatchTooLarge):
        await client.select(21)
    fake.down()
    with pytest.raises(SelectorUnavailable):
        await client.select(1)
    with pytest.raises(Unauthorized):
        await AsyncSelectorClient("http://s", transport=FakeSelector(token="t").transport).create_pool("p")


async def test_pools_and_runs_are_administered():
    client = AsyncSelectorClient("http://selector", transport=FakeSelector().transport)
    await client.create_pool("p")
    assert (await client.add_tasks("p", [Task(id="a"), Task(id="b")])).inserted == 2
    assert (await client.pool("p")).tasks == 2
    assert (await client.create_run("run", "p", seed=7)).config["seed"] == 7
    await client.delete_run("run")
    await client.delete_pool("p")


async def test_posteriors_and_events_are_iterated(
    client: AsyncSelectorClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("trainer_client._fake_views.POSTERIORS_PAGE", 7)
    await client.select(1)
    assert len([row async for row in client.posteriors()]) == 20
    assert [row.task async for row in client.posteriors(task="task-3")] == ["task-3"]
    assert [event["type"] async for event in client.events()] == ["created", "selected"]
    assert [event["seq"] async for event in client.events(after=1)] == [2]


async def test_posteriors_are_downloaded(client: AsyncSelectorClient, tmp_path: Path, pauses: list[float]):
    with pytest.raises(InvalidRequest, match="not-acceptable"):
        await client.download_posteriors(tmp_path / "file")
    headers = {"Content-Type": "application/vnd.apache.parquet"}
    answers = [httpx.Response(503), httpx.Response(200, headers=headers, content=b"a file")]
    transport = httpx.MockTransport(lambda request: answers.pop(0))
    await AsyncSelectorClient("http://s", transport=transport).download_posteriors(tmp_path / "file", "run")
    assert (tmp_path / "file").read_bytes() == b"a file"
    assert len(pauses) == 1


class BrokenStream(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b'{"seq": 1}\n{"seq"'
        raise httpx.ReadError("broken")


async def test_a_broken_stream_of_events_is_taken_up_where_it_broke(pauses: list[float]):
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["after"])
        answers = [httpx.Response(200, stream=BrokenStream()), httpx.Response(200, text='{"seq": 2}')]
        return answers[len(asked) - 1]

    client = AsyncSelectorClient("http://selector", run="run", transport=httpx.MockTransport(answer))
    assert [event["seq"] async for event in client.events()] == [1, 2]
    assert asked == ["0", "1"]


async def test_training_goes_on_while_the_selector_is_away(
    fake: FakeSelector, tmp_path: Path, pauses: list[float]
):
    fallback = Fallback([f"task-{number}" for number in range(20)], tmp_path)
    async with AsyncSelectorClient(
        "http://selector", run="run", transport=fake.transport, fallback=fallback
    ) as client:
        fake.down()
        away = await client.select(2)
        assert away.fallback
        assert (await client.report(away, {task: [1, 0] for task in away.tasks})).spooled
        assert await client.flush() == 1
        fake.up()
        assert await client.flush() == 0
    assert fake.evidence("run") == dict.fromkeys(away.tasks, (1, 2))


async def test_a_cancelled_report_waits_on_disk(fake: FakeSelector, tmp_path: Path):
    reached = asyncio.Event()

    async def hang(request: httpx.Request) -> httpx.Response:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    fallback = Fallback(["task-0", "task-1"], tmp_path)
    selection = fallback.select("run", 1, "step-0")
    stuck = AsyncSelectorClient("http://s", run="run", transport=httpx.MockTransport(hang), fallback=fallback)
    report = asyncio.create_task(stuck.report(selection, {selection.tasks[0]: [1]}))
    await reached.wait()
    report.cancel()
    with pytest.raises(asyncio.CancelledError):
        await report
    client = AsyncSelectorClient("http://s", run="run", transport=fake.transport, fallback=fallback)
    assert await client.flush() == 0
    assert fake.evidence("run") == {selection.tasks[0]: (1, 1)}


async def test_a_step_is_planned(client: AsyncSelectorClient):
    selection = await client.select(informative=3, rollouts=8)
    assert len(selection.tasks) == 4
    assert selection.predicted is not None
    assert selection.predicted.informative == pytest.approx(28 / 9)
