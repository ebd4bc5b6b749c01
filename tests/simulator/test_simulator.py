"""Whatever comes between trainers, replicas and Redis, the contract holds; and what would break it is found."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulator.__main__ import found
from tests.simulator.plants import PLANTS, Plant
from tests.simulator.schedule import Schedule
from tests.simulator.server import Wire, valkey

SCHEDULES = 120
"""`make simulate` makes 100,000."""
COMMON = [plant for plant in PLANTS if not plant.is_rare]


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with valkey(tmp_path_factory.mktemp("valkey")) as connected:
        yield connected


@pytest.mark.parametrize("first", range(0, SCHEDULES // 2, 10))
def test_behind_a_horizon_it_holds_too(wire: Wire, first: int):
    for seed in range(first, first + 10):
        Schedule(seed, wire, is_horizon_near=True).run()


@pytest.mark.parametrize("first", range(0, SCHEDULES, 10))
def test_whatever_comes_between_the_contract_holds(wire: Wire, first: int):
    for seed in range(first, first + 10):
        Schedule(seed, wire).run()


@pytest.mark.parametrize("first", range(0, SCHEDULES // 2, 10))
def test_whatever_redis_loses_while_pools_grow_the_contract_holds(wire: Wire, first: int):
    for seed in range(first, first + 10):
        Schedule(seed, wire, is_lossy=True).run()


def test_a_seed_gives_the_same_schedule_again(wire: Wire):
    made = []
    for _ in range(2):
        schedule = Schedule(7, wire)
        schedule.run()
        made.append((schedule.steps, wire.call("LRANGE", "bots:{run:run}:log", 0, -1)))
    assert made[0] == made[1]


@pytest.mark.parametrize("plant", COMMON, ids=lambda plant: plant.name)
def test_what_is_planted_is_found(wire: Wire, plant: Plant):
    assert found(plant, wire, range(100)) is not None
