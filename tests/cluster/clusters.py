"""A Redis Cluster on loopback: three masters, each with a replica; slots are moved by its own commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis.crc import key_slot

from tests.cluster.processes import Server, Tls, data_server, until
from tests.service import free_port

SLOTS = 16384
MASTERS = 3
_KEYS_AT_A_TIME = 100


class Cluster:
    """The nodes of a cluster: the masters first."""

    def __init__(self, folder: Path, node_timeout_ms: int, tls: Tls | None, **options: str) -> None:
        if tls is not None:
            options["tls_cluster"] = "yes"
        bus = [free_port() for _ in range(2 * MASTERS)]
        self._bus_of_first = bus[0]
        self.nodes = [
            data_server(
                folder / f"node-{number}",
                tls,
                cluster_enabled="yes",
                cluster_port=str(bus[number]),
                cluster_node_timeout=str(node_timeout_ms),
                cluster_replica_validity_factor="0",
                cluster_allow_replica_migration="no",
                **options,
            )
            for number in range(2 * MASTERS)
        ]

    @property
    def addresses(self) -> str:
        """Of some of the nodes, as in a URL."""
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:2])

    @property
    def url(self) -> str:
        return f"redis+cluster://{self.addresses}"

    def start(self) -> Cluster:
        """Start the nodes, make one cluster of them, and return when all agree that it is well."""
        for node in self.nodes:
            node.start()
        masters, replicas = self.nodes[:MASTERS], self.nodes[MASTERS:]
        first = self.nodes[0]
        for number, node in enumerate(self.nodes):
            _ask(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for number, node in enumerate(masters):
            start, end = SLOTS * number // MASTERS, SLOTS * (number + 1) // MASTERS - 1
            _ask(node, "CLUSTER", "ADDSLOTSRANGE", start, end)
        for node in self.nodes[1:]:
            _ask(node, "CLUSTER", "MEET", "127.0.0.1", first.port, self._bus_of_first)
        for node in self.nodes:
            until(lambda node=node: len(self.known(node)) == len(self.nodes), "nodes that know each other")
        for master, replica in zip(masters, replicas, strict=True):
            _ask(replica, "CLUSTER", "REPLICATE", self.id(master))
        for node in self.nodes:
            until(lambda node=node: _is_well(node), "a cluster that is well")
        for replica in replicas:
            until(lambda node=replica: node.info("replication")["master_link_status"] == "up", "a replica")
        return self

    def crash(self) -> None:
        """Kill the masters one by one, and start each again before its replica takes its place."""
        for node in self.masters().values():
            node.kill()
            node.start()
            until(lambda node=node: _is_well(node), "a node that is back")

    def end(self) -> None:
        for node in self.nodes:
            node.kill()

    def known(self, node: Server) -> list[str]:
        """The lines of CLUSTER NODES of those that have met."""
        lines = bytes(_ask(node, "CLUSTER", "NODES")).decode().splitlines()
        return [line for line in lines if "handshake" not in line]

    def id(self, node: Server) -> str:
        return bytes(_ask(node, "CLUSTER", "MYID")).decode()

    def masters(self) -> dict[int, Server]:
        """The masters now, by the slot at which each of their ranges begins."""
        by_port = {node.port: node for node in self.nodes}
        running = [node for node in self.nodes if node.is_running]
        asked = until(
            lambda: next((node for node in running if _is_well(node)), None), "a node that thinks all is well"
        )
        return {row[0]: by_port[row[2][1]] for row in _ask(asked, "CLUSTER", "SLOTS")}

    def master_of(self, key: str) -> Server:
        """The master that serves a key now."""
        slot = key_slot(key.encode())
        masters = self.masters()
        return masters[max(start for start in masters if start <= slot)]

    def move_slot(self, slot: int, source: Server, target: Server) -> int:
        """Move a slot with its keys, as redis-cli does; returns how many keys."""
        self.begin_to_move(slot, source, target)
        moved = self.move_keys(slot, source, target)
        self.end_move(slot, source, target)
        return moved

    def begin_to_move(self, slot: int, source: Server, target: Server) -> None:
        _ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", self.id(source))
        _ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", self.id(target))

    def move_keys(self, slot: int, source: Server, target: Server) -> int:
        """Move the keys of a slot that is on its way; returns how many."""
        moved = 0
        while keys := _ask(source, "CLUSTER", "GETKEYSINSLOT", slot, _KEYS_AT_A_TIME):
            for key in keys:
                _ask(source, "MIGRATE", "127.0.0.1", target.port, key, 0, 5000)
                moved += 1
        return moved

    def end_move(self, slot: int, source: Server, target: Server) -> None:
        others = set(self.masters().values()) - {target, source}
        for node in (target, source, *others):
            _ask(node, "CLUSTER", "SETSLOT", slot, "NODE", self.id(target))

    def hand_over(self, master: Server) -> None:
        """Let a master's replica take its place, without a loss, and return when all know of it."""
        replica = next(node for node in self.nodes if _follows(node, master))
        _ask(replica, "CLUSTER", "FAILOVER")
        until(lambda: replica.info("replication")["role"] == "master", "a replica that takes over")
        until(lambda: master.info("replication")["role"] == "slave", "a master that has handed over")
        until(lambda: replica in self.masters().values(), "nodes that know of it")


def _ask(node: Server, *command: Any) -> Any:
    """A reply as it came."""
    connection = node.client.connection_pool.get_connection()
    try:
        connection.send_command(*command)
        return connection.read_response()
    finally:
        node.client.connection_pool.release(connection)


def _follows(node: Server, master: Server) -> bool:
    told = node.info("replication")
    return told["role"] == "slave" and told["master_port"] == master.port


def _is_well(node: Server) -> bool:
    return b"cluster_state:ok" in bytes(_ask(node, "CLUSTER", "INFO"))


@contextmanager
def cluster(
    folder: Path, node_timeout_ms: int = 3000, tls: Tls | None = None, **options: str
) -> Iterator[Cluster]:
    """A cluster for as long as the block runs; `options` are the nodes', `_` in their names being `-`."""
    made = Cluster(folder, node_timeout_ms, tls, **options)
    try:
        yield made.start()
    finally:
        made.end()
