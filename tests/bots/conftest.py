"""The commands, run in this process against the client's fake of the service, or against a real one."""

import io
import json
from collections.abc import Callable
from functools import partial
from uuid import uuid4

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

import trainer_client
from bots.app import app
from trainer_client import FakeSelector, Outcome, SelectorClient, Task

Bots = Callable[..., Result]
PARQUET = "application/vnd.apache.parquet"


@pytest.fixture
def bots(monkeypatch: pytest.MonkeyPatch) -> Bots:
    """Runs a command line; a bug's exception is raised, so a Result stands for an end without traceback."""
    for name in (
        "SELECTOR_TOKEN",
        "SELECTOR_REDIS_URL",
        "SELECTOR_DATA_DIR",
        "SELECTOR_URL",
        "SELECTOR_URL_FILE",
    ):
        monkeypatch.delenv(name, raising=False)

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)

    return invoke


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeSelector:
    """An empty service, at whatever address."""
    fake = FakeSelector()
    client = partial(SelectorClient, transport=httpx.MockTransport(partial(with_parquet, fake)))
    monkeypatch.setattr(trainer_client, "SelectorClient", client)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    return fake


def with_parquet(fake: FakeSelector, request: httpx.Request) -> httpx.Response:
    """What the fake answers, which speaks JSON only, to one who speaks Parquet."""
    headers = dict(request.headers)
    if headers.get("content-type") == PARQUET:
        rows = pq.read_table(io.BytesIO(request.content)).to_pylist()
        for row in rows:
            rates = {
                name: rate for name, rate in (row.pop("references", None) or {}).items() if rate is not None
            }
            row |= {"references": rates} if rates else {}
        lines = [
            json.dumps({name: value for name, value in row.items() if value is not None}) for row in rows
        ]
        headers = {"Authorization": headers["authorization"]} if "authorization" in headers else {}
        headers["Content-Type"] = "application/x-ndjson"
        request = httpx.Request(request.method, request.url, headers=headers, content="\n".join(lines))
    is_listing = headers.get("accept") == PARQUET
    if is_listing:
        request = httpx.Request(request.method, request.url, headers=headers | {"accept": "application/json"})
    answer = fake.transport.handle_request(request)
    if not is_listing or not answer.is_success:
        return answer
    tasks = answer.json()["tasks"]
    maps = [list(task["references"].items()) for task in tasks]
    columns = {
        "id": pa.array([task["id"] for task in tasks], pa.string()),
        "domain": pa.array([task["domain"] for task in tasks], pa.string()),
        "references": pa.array(maps, pa.map_(pa.string(), pa.float64())),
    }
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return httpx.Response(200, content=file.getvalue(), headers={"Content-Type": PARQUET})


@pytest.fixture
def run(service_url: str) -> str:
    """A run of a real service: 12 tasks in the domains "algebra" and "sets", one commit of four outcomes."""
    name = f"cli-{uuid4().hex}"
    with SelectorClient(service_url, run=name) as client:
        client.create_pool(name)
        references = {"weak": 0.25, "strong": 0.75}
        client.add_tasks(
            name,
            [
                Task(id=f"task-{i}", domain="sets" if i % 2 else "algebra", references=references)
                for i in range(12)
            ],
        )
        client.create_run(name, name, implicit={"type": "interpolation", "weak": "weak", "strong": "strong"})
        commit(client)
    return name


def client_of(fake: FakeSelector) -> SelectorClient:
    """A client of the fake service, for what a test prepares."""
    return SelectorClient("http://selector", transport=fake.transport)


def commit(client: SelectorClient) -> None:
    """Select four tasks and report that half of their 16 rollouts passed."""
    selection = client.select(4)
    client.report(selection, [Outcome(task=task, successes=8, trials=16) for task in selection.tasks])
