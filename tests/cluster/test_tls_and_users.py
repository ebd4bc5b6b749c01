"""Clusters and sentinels that speak TLS alone and know the service as a user with the least rights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from selector_api.store.connection import StoreClient, check_server, connect
from selector_api.store.errors import StoreUnavailable
from selector_api.store.store import open_store
from tests.cluster.clusters import Cluster, cluster
from tests.cluster.processes import Server, Tls
from tests.cluster.sentinels import NAME, Watched, watched
from tests.servers import LEAST, LEAST_OF_SENTINELS, certificate, end_connections
from tests.store.helpers import make_run, work

pytestmark = [pytest.mark.anyio, pytest.mark.one_server]

PATIENCE_MS = 60_000
PASSWORD = "of%the/servers"
QUOTED = "of%25the%2Fservers"
PASSWORD_OF_SENTINELS = "of-sentinels"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return Tls(*certificate(tmp_path_factory.mktemp("tls"), "IP:127.0.0.1,DNS:localhost"))


def users(folder: Path, rule: str, password: str) -> str:
    """A file with the service's user; `default` is the servers' own among themselves."""
    file = folder / "users.acl"
    file.write_text(f"user default on nopass ~* &* +@all\nuser selector on >{password} {rule}\n")
    return str(file)


@pytest.fixture(scope="module")
def nodes(tls: Tls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    with cluster(folder, PATIENCE_MS, tls, aclfile=users(folder, LEAST, PASSWORD)) as made:
        yield made


@pytest.fixture(scope="module")
def servers(tls: Tls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    other = tmp_path_factory.mktemp("sentinels")
    of_sentinels = {"aclfile": users(other, LEAST_OF_SENTINELS, PASSWORD_OF_SENTINELS)}
    with watched(folder, PATIENCE_MS, tls, of_sentinels, aclfile=users(folder, LEAST, PASSWORD)) as made:
        yield made


def url_of_nodes(nodes: Cluster, authority: Path) -> str:
    return f"rediss+cluster://selector:{QUOTED}@{nodes.addresses}?ssl_ca_certs={authority}"


def url_of_servers(servers: Watched, authority: Path, password: str = PASSWORD_OF_SENTINELS) -> str:
    of_sentinels = f"sentinel_username=selector&sentinel_password={password}"
    at = f"selector:{QUOTED}@{servers.addresses}"
    return f"rediss+sentinel://{at}/{NAME}?ssl_ca_certs={authority}&{of_sentinels}"


def refused(servers: list[Server]) -> list[object]:
    """What users tried and were not let do."""
    return [entry for server in servers for entry in server.client.acl_log()]  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType, reportGeneralTypeIssues]


async def test_a_cluster_is_reached_by_tls_as_a_user_with_the_least_rights(nodes: Cluster, tls: Tls) -> None:
    async with open_store(url_of_nodes(nodes, tls.certificate)) as store:
        await check_server(store.redis)
        await make_run(store)
        await work(store, "one")
        await store.redis.check_primary()
        assert await store.names.runs() == ["run"]
    assert refused(nodes.nodes) == []


async def test_sentinels_are_reached_by_tls_as_another_user(servers: Watched, tls: Tls) -> None:
    async with open_store(url_of_servers(servers, tls.certificate)) as store:
        await check_server(store.redis)
        await make_run(store)
        await work(store, "before")
        servers.hand_over()
        await work(store, "after")
        await store.redis.check_primary()
    assert refused([*servers.servers, *servers.sentinels]) == []


async def refusal(url: str) -> StoreUnavailable:
    redis: StoreClient = connect(url)
    try:
        with pytest.raises(StoreUnavailable) as caught:
            await check_server(redis)
        return caught.value
    finally:
        await redis.aclose()
        await end_connections()


async def test_what_is_wrong_with_tls_or_a_password_is_said(
    nodes: Cluster, servers: Watched, tls: Tls, tmp_path: Path
) -> None:
    other, _ = certificate(tmp_path)
    for url in (url_of_nodes(nodes, other), url_of_servers(servers, other)):
        error = await refusal(url)
        assert "certificate verify failed" in str(error)
        assert "not trusted" in error.detail
    for url in (f"redis+cluster://{nodes.addresses}", f"redis+sentinel://{servers.addresses}/{NAME}"):
        assert "begin with rediss" in str(await refusal(url))
    error = await refusal(url_of_servers(servers, tls.certificate, "wrong"))
    assert "no sentinel tells" in str(error)
    assert "invalid username-password pair" in str(error)
