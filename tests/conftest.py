from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service import Service

SLOW = [
    Path(__file__).parent / name
    for name in (
        "promises",
        "services/demo",
        "services/models",
        "services/reference_eval",
        "services/test_smollm2.py",
        "services/trainer",
        "trainer_client/integrations",
        "web/test_contract.py",
    )
]
"""Where most tests are slow, or what they import is, such as torch. Other slow tests are marked one by one."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Whether to leave a file or folder alone: `-m "not slow"` does not even import what is slow."""
    return True if config.option.markexpr == "not slow" and collection_path in SLOW else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what stands in slow places; and measure no coverage by what is slow, as that makes it slower still."""
    for item in items:
        if any(item.path.is_relative_to(place) for place in SLOW):
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A real service that all tests share: each uses pools and runs of its own."""
    service = Service(tmp_path_factory.mktemp("service")).start()
    yield service
    assert service.stop() == 0, service.log()


@pytest.fixture(scope="session")
def service_url(service: Service) -> str:
    return service.url
