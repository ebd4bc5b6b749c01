"""A server with two replicas on loopback, and three sentinels that watch over them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cluster.processes import Server, Tls, data_server, until

NAME = "bots"
_CONFIG = """bind 127.0.0.1
protected-mode no
sentinel monitor {name} 127.0.0.1 {master} 2
sentinel down-after-milliseconds {name} {down_after_ms}
sentinel failover-timeout {name} {failover_ms}
"""


class Watched:
    """The servers, of which one is the master, and their sentinels."""

    def __init__(
        self,
        folder: Path,
        down_after_ms: int,
        tls: Tls | None,
        of_sentinels: dict[str, str],
        **options: str,
    ) -> None:
        self.servers = [data_server(folder / f"server-{number}", tls, **options) for number in range(3)]
        for replica in self.servers[1:]:
            replica.replicate("127.0.0.1", self.servers[0].port)
        self.sentinels = [
            Server(folder / f"sentinel-{number}", of_sentinels, ("sentinel.conf", "--sentinel"), tls)
            for number in range(3)
        ]
        for sentinel in self.sentinels:
            sentinel.folder.mkdir(parents=True)
            config = _CONFIG.format(
                name=NAME,
                master=self.servers[0].port,
                down_after_ms=down_after_ms,
                failover_ms=10 * down_after_ms,
            )
            (sentinel.folder / "sentinel.conf").write_text(config)

    @property
    def addresses(self) -> str:
        """Of the sentinels, as in a URL."""
        return ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)

    @property
    def url(self) -> str:
        return f"redis+sentinel://{self.addresses}/{NAME}"

    def start(self) -> Watched:
        """Start all, and return when the sentinels know of each other and of the replicas."""
        for server in self.servers:
            server.start()
        for replica in self.servers[1:]:
            until(lambda node=replica: node.info("replication")["master_link_status"] == "up", "a replica")
        for sentinel in self.sentinels:
            sentinel.start()
        for sentinel in self.sentinels:
            until(lambda node=sentinel: _knows_all(node), "a sentinel that knows the others")
        return self

    def crash(self) -> None:
        """Kill the master, and start it again before another takes its place."""
        master = self.master()
        master.kill()
        master.start()

    def choose_another(self) -> None:
        """Let the sentinels choose another master, and return when they have."""
        former = self.master()
        self.sentinels[0].client.execute_command("SENTINEL", "FAILOVER", NAME)
        until(lambda: self.master() is not former, "another master")

    def hand_over(self) -> None:
        """Let another server take the master's place, and return when both know it."""
        former = self.master()
        self.choose_another()
        until(lambda: former.info("replication")["role"] == "slave", "a former master that knows it")

    def end(self) -> None:
        for server in (*self.sentinels, *self.servers):
            server.kill()

    def master(self) -> Server:
        """What the first sentinel calls the master."""
        address: Any = self.sentinels[0].client.sentinel_get_master_addr_by_name(NAME)
        return next(server for server in self.servers if server.port == address[1])


def _knows_all(sentinel: Server) -> bool:
    told: Any = sentinel.client.sentinel_master(NAME)
    return told["num-slaves"] == 2 and told["num-other-sentinels"] == 2


@contextmanager
def watched(
    folder: Path,
    down_after_ms: int = 1000,
    tls: Tls | None = None,
    of_sentinels: dict[str, str] | None = None,
    **options: str,
) -> Iterator[Watched]:
    """Servers and sentinels for as long as the block runs; `options` are the servers'."""
    made = Watched(folder, down_after_ms, tls, of_sentinels or {}, **options)
    try:
        yield made.start()
    finally:
        made.end()
