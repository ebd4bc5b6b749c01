from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.kinds import Kind, Servers, servers_of
from tests.service import Service

SLOW = [
    Path(__file__).parent / name
    for name in (
        # Whole services of their own, killed and started again.
        "bots/test_refusals.py",
        "bots/test_serve.py",
        "bots/test_token.py",
        "faults",
        "cluster",
        "kinds",
        "promises",
        "services/experiment/test_runner.py",
        "test_client_of_0_2.py",
        "web/test_hosts.py",
        "web/test_rate_limit.py",
        "web/test_redis_url.py",
        "web/test_refusals.py",
        "web/test_serve.py",
        "web/test_token_limits.py",
        "web/test_tracing.py",
        # Tools of others, started again and again.
        "deploy",
        "services/experiment/test_command.py",
        "services/rewards/test_child.py",
        "services/rewards/test_python_tests.py",
        "trainer_client/test_install.py",
        # Trainings, and imports that take seconds.
        "integrations/adapters",
        "services/demo",
        "services/experiment/test_report.py",
        "services/models",
        "services/reference_eval",
        "services/rewards/test_boxed_math.py",
        "services/rewards/test_reasoning_gym.py",
        "services/rewards/test_scorer.py",
        "services/test_smollm2.py",
        "simulator",
        "services/trainer",
        "trainer_client/integrations",
        "web/test_contract.py",
    )
]
"""Where most tests are slow. Others are marked one by one."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--redis",
        choices=("embedded", "cluster", "sentinel"),
        default="embedded",
        help="what the service's data is kept in, where a test leaves that open; the others are left out",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Whether to leave a file or folder alone: `-m "not slow"` does not even import what is slow."""
    return True if config.option.markexpr == "not slow" and collection_path in SLOW else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what stands in slow places; leave out what is the same on any Redis, unless that is the embedded one."""
    for item in items:
        if any(item.path.is_relative_to(place) for place in SLOW):
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("failover") and "failover" not in config.option.markexpr:
            item.add_marker(pytest.mark.skip("takes minutes: make test-cluster"))
    if config.option.redis != "embedded":
        left_out = [item for item in items if not _leaves_redis_open(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if _leaves_redis_open(item)]


def _leaves_redis_open(item: pytest.Item) -> bool:
    return "servers" in getattr(item, "fixturenames", ()) and item.get_closest_marker("one_server") is None


@pytest.fixture(scope="session")
def redis_kind(request: pytest.FixtureRequest) -> Kind:
    return request.config.option.redis


@pytest.fixture(scope="session")
def servers(redis_kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers | None]:
    """What keeps the service's data; None: an embedded Valkey."""
    with servers_of(redis_kind, tmp_path_factory.mktemp("servers")) as made:
        yield made


@pytest.fixture(scope="session")
def service(servers: Servers | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A real service that all tests share: each uses pools and runs of its own."""
    service = Service(tmp_path_factory.mktemp("service"), servers.url if servers else None).start()
    yield service
    assert service.stop() == 0, service.log()


@pytest.fixture(scope="session")
def service_url(service: Service) -> str:
    return service.url
