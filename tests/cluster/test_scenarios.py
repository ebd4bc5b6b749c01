"""What becomes of a service under load when slots move, when a master dies, and when sentinels choose another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis.crc import key_slot

from selector_api.store.keys import RUN_NAMES, pool_keys, run_keys
from tests.cluster.clusters import Cluster, cluster
from tests.cluster.kinds import Servers
from tests.cluster.load import Load, load
from tests.cluster.processes import Server, until
from tests.cluster.sentinels import watched
from tests.promises.pair import Pair

pytestmark = [pytest.mark.failover, pytest.mark.timeout(900)]

SEED = 12


@contextmanager
def pair_on(servers: Servers, folder: Path) -> Iterator[Pair]:
    pair = Pair(folder, servers)
    pair.start()
    try:
        yield pair
    finally:
        pair.stop()


def say(what: str, load: Load, lost: int) -> None:
    outcomes = sum(map(len, load.acknowledged.values()))
    print(
        f"{what}: {load.calls} calls, {outcomes} outcomes acknowledged, {lost} of them lost, "
        f"{len(load.unknown)} of {len(load.selections)} selections lost, "
        f"slowest call {load.slowest:.1f} s (seed {load.seed})"
    )


def test_slots_move_under_load(tmp_path: Path) -> None:
    """Every slot that is in use goes to another master and back; nothing is lost, and nobody is turned away."""
    with cluster(tmp_path / "cluster") as servers, pair_on(servers, tmp_path) as pair:
        with load(pair, SEED) as working:
            working.goes_on(100)
            names = [RUN_NAMES, "bots:tokens"]
            for run in working.runs:
                names += [run_keys(run.name).meta, pool_keys(run.pool).meta]
            moved = keys = 0
            for _ in range(2):
                for name in names:
                    source = servers.master_of(name)
                    target = next(node for node in servers.masters().values() if node is not source)
                    keys += servers.move_slot(key_slot(name.encode()), source, target)
                    moved += 1
                    working.goes_on(10)
            working.goes_on(100)
        lost = working.check()
        say(f"{moved} slots with {keys} keys moved", working, len(lost))
        assert keys > 0
        assert not lost
        assert not working.unknown


def test_a_master_dies_under_load(tmp_path: Path) -> None:
    """Its replica takes its place; it comes back as a replica, and then the other dies."""
    with cluster(tmp_path / "cluster") as servers, pair_on(servers, tmp_path) as pair:
        with load(pair, SEED) as working:
            for run in working.runs[:2]:
                working.goes_on(100)
                dead = servers.master_of(run_keys(run.name).meta)
                dead.kill()
                until(
                    lambda run=run, dead=dead: _another_serves(servers, run.name, dead.port), "a new master"
                )
                working.goes_on(100)
                dead.start()
                until(lambda dead=dead: dead.info("replication")["master_link_status"] == "up", "a replica")
            working.goes_on(100)
        lost = working.check()
        say("two masters killed", working, len(lost))


def _another_serves(servers: Cluster, run: str, port: int) -> bool:
    return servers.master_of(run_keys(run).meta).port != port


def test_sentinels_choose_another_master_under_load(tmp_path: Path) -> None:
    """The master dies, comes back as a replica, and then the next one dies."""
    with (
        watched(tmp_path / "servers", min_replicas_to_write="1") as servers,
        pair_on(servers, tmp_path) as pair,
    ):
        with load(pair, SEED) as working:
            for _ in range(2):
                working.goes_on(100)
                dead = servers.master()
                dead.kill()
                until(lambda dead=dead: servers.master() is not dead, "a new master")
                working.goes_on(100)
                dead.start()
                until(lambda dead=dead: _follows(dead), "a replica")
            working.goes_on(100)
        lost = working.check()
        say("two masters killed", working, len(lost))


def _follows(server: Server) -> bool:
    told = server.info("replication")
    return told["role"] == "slave" and told["master_link_status"] == "up"
