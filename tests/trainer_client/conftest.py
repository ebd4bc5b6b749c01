from types import SimpleNamespace

import pytest

from trainer_client import (
    FakeSelector,
    _async_pools_and_runs_client,
    _pools_and_runs_client,
    async_client,
    client,
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that the clients wanted to make, in seconds; none is made."""
    made: list[float] = []

    async def sleep(seconds: float) -> None:
        made.append(seconds)

    for module in (client, _pools_and_runs_client):
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=made.append))
    for module in (async_client, _async_pools_and_runs_client):
        monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=sleep))
    return made


@pytest.fixture
def fake() -> FakeSelector:
    return FakeSelector.with_run("run", [f"task-{number}" for number in range(20)])
