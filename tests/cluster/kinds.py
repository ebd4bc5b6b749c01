"""What a service's data can be kept in, beside the embedded Valkey: for tests that are the same on all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from redis import Redis, RedisCluster
from redis.cluster import ClusterNode
from redis.sentinel import Sentinel

from selector_api.store.redis_url import RedisUrl
from tests.cluster.clusters import cluster
from tests.cluster.sentinels import watched

Kind: TypeAlias = Literal["embedded", "cluster", "sentinel"]
_NODE_TIMEOUT_MS = 10_000
"""So long that a machine which is busy is not taken for a server that is gone."""


class Servers(Protocol):
    """Servers that keep a service's data."""

    @property
    def url(self) -> str: ...

    def crash(self) -> None:
        """Kill those that take writes, and start them again before others take their place."""
        ...


@contextmanager
def servers_of(kind: Kind, folder: Path, fsync: str = "always") -> Iterator[Servers | None]:
    """Servers of a kind for as long as the block runs; None for an embedded one.

    Only those that crash need to flush every write to disk.
    """
    if kind == "cluster":
        with cluster(folder, _NODE_TIMEOUT_MS, appendfsync=fsync) as made:
            yield made
    elif kind == "sentinel":
        with watched(folder, _NODE_TIMEOUT_MS, appendfsync=fsync) as made:
            yield made
    else:
        yield None


def client_of(url: str) -> Any:
    """redis-py's own client of what is at a URL, to look at what is kept there and to change it."""
    parsed = RedisUrl.parse(url)
    if parsed.kind == "cluster":
        return RedisCluster(startup_nodes=[ClusterNode(*address) for address in parsed.addresses])
    if parsed.kind == "sentinel":
        return Sentinel(parsed.addresses).master_for(parsed.master)
    return Redis.from_url(url)
