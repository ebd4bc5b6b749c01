from types import SimpleNamespace

import pytest

from trainer_client import FakeSelector, async_client, client


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that the clients wanted to make, in seconds; none is made."""
    made: list[float] = []

    async def sleep(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr(client, "time", SimpleNamespace(sleep=made.append))
    monkeypatch.setattr(async_client, "asyncio", SimpleNamespace(sleep=sleep))
    return made


@pytest.fixture
def fake() -> FakeSelector:
    return FakeSelector.with_run("run", [f"task-{number}" for number in range(20)])
