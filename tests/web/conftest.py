from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.service import Service
from tests.web.calls import TASKS, add_tasks, fresh_name


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def http(service_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service_url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of a file's own, to which it gives tokens."""
    service = Service(tmp_path_factory.mktemp("guarded")).start()
    yield service
    assert service.stop() == 0, service.log()


@pytest.fixture
def pool(http: httpx.Client) -> str:
    """A pool of `TASKS`, named for this test alone."""
    name = fresh_name("pool")
    assert http.put(f"/pools/{name}").status_code == 201
    assert add_tasks(http, name, TASKS).status_code == 200
    return name


@pytest.fixture
def run(http: httpx.Client, pool: str) -> str:
    """A run over that pool with every default."""
    name = fresh_name("run")
    assert http.put(f"/runs/{name}", json={"pool": pool}).status_code == 201
    return name
