from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.service import Service


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A real service that all tests share: each uses pools and runs of its own."""
    service = Service(tmp_path_factory.mktemp("service")).start()
    yield service
    assert service.stop() == 0, service.log()


@pytest.fixture(scope="session")
def service_url(service: Service) -> str:
    return service.url
